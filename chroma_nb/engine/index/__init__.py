"""Nearest neighbours: exact and HNSW behind one protocol."""
