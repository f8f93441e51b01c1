"""The server: Chroma's REST API v2 over any backend."""
