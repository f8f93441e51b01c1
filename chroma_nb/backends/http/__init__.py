"""Answering requests by asking a Chroma server over HTTP."""
