"""Chroma's path ``chromadb.auth.token_authn``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.backends.http.auth import (
    AuthError,
    ClientAuthHeaders,
    ClientAuthProvider,
    TokenAuthClientProvider,
    allowed_token_headers,
    valid_token_chars,
)
from chroma_nb.client.not_offered import ServerAuthenticationProvider, TokenAuthenticationServerProvider, User
from chroma_nb.config import System
from chroma_nb.errors import ChromaAuthError
from chroma_nb.types import TokenTransportHeader, UserIdentity

__all__ = [
    "AuthError",
    "ChromaAuthError",
    "ClientAuthHeaders",
    "ClientAuthProvider",
    "ServerAuthenticationProvider",
    "System",
    "TokenAuthClientProvider",
    "TokenAuthenticationServerProvider",
    "TokenTransportHeader",
    "User",
    "UserIdentity",
    "allowed_token_headers",
    "valid_token_chars",
]
