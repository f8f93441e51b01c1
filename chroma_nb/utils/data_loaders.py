"""Chroma's path ``chromadb.utils.data_loaders``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.embedding_functions.base import DataLoader
from chroma_nb.embedding_functions.image_loader import ChromaLangchainPassthroughDataLoader, ImageLoader
from chroma_nb.types import URI, Image, URIs

__all__ = [
    "ChromaLangchainPassthroughDataLoader",
    "DataLoader",
    "Image",
    "ImageLoader",
    "URI",
    "URIs",
]
