"""How values travel in the JSON of Chroma's REST API v2, for client and server; no socket is known here."""
