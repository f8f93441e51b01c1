"""Clients and collections: written once in ``_async``, generated into ``_sync``."""
