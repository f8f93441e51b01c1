"""Chroma's path ``chromadb.auth.token_authn``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.types import TokenTransportHeader

__all__ = [
    "TokenTransportHeader",
]
