"""Chroma's path ``chromadb.auth``.

Generated from the table in ``chroma_nb/client/_generate_paths.py``; nothing is defined here.
"""

from chroma_nb.auth import token_authn
from chroma_nb.types import UserIdentity

__all__ = [
    "UserIdentity",
    "token_authn",
]
