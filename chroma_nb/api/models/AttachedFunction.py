# ruff: noqa: N999
"""Chroma's path ``chromadb.api.models.AttachedFunction``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client.not_offered import AttachedFunction
from chroma_nb.operations.protocols import ServerAPI

__all__ = [
    "AttachedFunction",
    "ServerAPI",
]
