"""Chroma's path ``chromadb.auth.simple_rbac_authz``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client.not_offered import (
    AuthzAction,
    AuthzResource,
    ServerAuthorizationProvider,
    SimpleRBACAuthorizationProvider,
)
from chroma_nb.config import System
from chroma_nb.types import UserIdentity

__all__ = [
    "AuthzAction",
    "AuthzResource",
    "ServerAuthorizationProvider",
    "SimpleRBACAuthorizationProvider",
    "System",
    "UserIdentity",
]
