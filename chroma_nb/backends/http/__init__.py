"""The HTTP backend: it sends requests to a Chroma server."""
