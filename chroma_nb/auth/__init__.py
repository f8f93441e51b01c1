"""Chroma's path ``chromadb.auth``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.auth import basic_authn, simple_rbac_authz, token_authn, utils
from chroma_nb.backends.http.auth import AuthError, ClientAuthHeaders, ClientAuthProvider
from chroma_nb.client.not_offered import (
    AuthzAction,
    AuthzResource,
    ServerAuthenticationProvider,
    ServerAuthorizationProvider,
)
from chroma_nb.config import Component, System
from chroma_nb.types import UserIdentity

__all__ = [
    "AuthError",
    "AuthzAction",
    "AuthzResource",
    "ClientAuthHeaders",
    "ClientAuthProvider",
    "Component",
    "ServerAuthenticationProvider",
    "ServerAuthorizationProvider",
    "System",
    "UserIdentity",
    "basic_authn",
    "simple_rbac_authz",
    "token_authn",
    "utils",
]
