"""Backends, which handle requests: the embedded engine, or a server over HTTP."""
