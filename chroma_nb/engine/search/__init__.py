"""Nearest neighbours of a collection: planned, searched, and returned as records."""
