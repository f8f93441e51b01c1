"""Values in the JSON of Chroma's REST API v2, for client and server. No sockets here."""
