"""Chroma's path ``chromadb.auth.basic_authn``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.backends.http.auth import (
    AUTHORIZATION_HEADER,
    AuthError,
    BasicAuthClientProvider,
    ClientAuthHeaders,
    ClientAuthProvider,
)
from chroma_nb.client.not_offered import BasicAuthenticationServerProvider, ServerAuthenticationProvider
from chroma_nb.config import System
from chroma_nb.errors import ChromaAuthError
from chroma_nb.types import UserIdentity

__all__ = [
    "AUTHORIZATION_HEADER",
    "AuthError",
    "BasicAuthClientProvider",
    "BasicAuthenticationServerProvider",
    "ChromaAuthError",
    "ClientAuthHeaders",
    "ClientAuthProvider",
    "ServerAuthenticationProvider",
    "System",
    "UserIdentity",
]
