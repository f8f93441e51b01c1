"""Chroma's path ``chromadb.auth.utils``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client.identity import maybe_set_tenant_and_database
from chroma_nb.config import DEFAULT_DATABASE, DEFAULT_TENANT
from chroma_nb.errors import ChromaAuthError
from chroma_nb.types import UserIdentity

__all__ = [
    "ChromaAuthError",
    "DEFAULT_DATABASE",
    "DEFAULT_TENANT",
    "UserIdentity",
    "maybe_set_tenant_and_database",
]
