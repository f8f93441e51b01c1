# Generated from chroma_nb/client/_async/__init__.py by python -m chroma_nb.client._generate_sync: change that file, not this one.
# fmt: off
# ruff: noqa: I001
"""The client, its collections and the server under them."""
