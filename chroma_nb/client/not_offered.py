"""Chroma's names that have no meaning here: they can be imported, and raise an error when they are used.

They are internals of its engine, its server and its cloud. Each is a class, so it can stand in annotations, isinstance
is False, and another class can be derived from it. Calling it, or reading its attributes, raises NotImplementedError.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

_ENGINE: Final = "use the client API (EphemeralClient, PersistentClient) instead"
_SERVER: Final = "to protect a server with a token, use chroma_nb.serve(path, token=...)"
_CONFIGURATION: Final = 'pass a dict: create_collection(..., configuration={"hnsw": {"space": "cosine"}})'
_HTTP: Final = "use HttpClient(host, port) or AsyncHttpClient(host, port)"
_TELEMETRY: Final = "chroma_nb sends no telemetry"
_FUNCTION: Final = "collection.attach_function and collection.get_attached_function return dicts"

#: Name -> what chroma_nb offers instead.
INSTEAD: Final[dict[str, str]] = {
    "AttachedFunction": _FUNCTION,
    "BaseHTTPClient": _HTTP,
    **dict.fromkeys(("ClientStartEvent", "ProductTelemetryClient"), _TELEMETRY),
    **dict.fromkeys(
        (
            "AuthzAction",
            "AuthzResource",
            "BasicAuthenticationServerProvider",
            "ServerAuthenticationProvider",
            "ServerAuthorizationProvider",
            "SimpleRBACAuthorizationProvider",
            "TokenAuthenticationServerProvider",
            "User",
        ),
        _SERVER,
    ),
    **dict.fromkeys(
        (
            "CollectionConfigurationInterface",
            "CollectionConfigurationInternal",
            "Configurable",
            "ConfigurationDefinition",
            "ConfigurationInternal",
            "ConfigurationParameter",
            "EmbeddingsQueueConfigurationInternal",
            "HNSWConfigurationInterface",
            "HNSWConfigurationInternal",
            "ParameterValidator",
            "ParameterValue",
        ),
        _CONFIGURATION,
    ),
    **dict.fromkeys(
        (
            "BaseModelJSONSerializable",
            "CollectionAndSegments",
            "CountPlan",
            "Filter",
            "GetPlan",
            "JSONSerializable",
            "KNN",
            "KNNPlan",
            "LogRecord",
            "MetadataEmbeddingRecord",
            "OperationRecord",
            "Projection",
            "RequestVersionContext",
            "Scan",
            "Segment",
            "VectorEmbeddingRecord",
            "VectorQuery",
            "VectorQueryResult",
            "validation_context",
        ),
        _ENGINE,
    ),
}


class NotOffered(type):
    """The class of such names.

    >>> absent("chromadb.segment", "SegmentManager")()
    Traceback (most recent call last):
    ...
    NotImplementedError: chromadb.segment.SegmentManager belongs to the internals of Chroma's engine...
    """

    def __call__(cls, *args: object, **kwargs: object) -> NoReturn:
        cls._refuse()

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):  # the questions of typing, copy and IPython
            raise AttributeError(name)
        cls._refuse()

    def _refuse(cls) -> NoReturn:
        name = next(kind for kind in cls.__mro__ if isinstance(kind, NotOffered) and kind.__bases__ == (object,))
        raise NotImplementedError(
            f"{name.__module__}.{name.__name__} belongs to the internals of Chroma's engine, server and cloud, "
            f"which chroma_nb does not have: {INSTEAD.get(name.__name__, _ENGINE)}"
        )


def absent(module: str, name: str) -> Any:
    """The class that stands for ``name`` in ``module``."""
    return NotOffered(name, (), {"__module__": module})


def __getattr__(name: str) -> Any:
    if name not in INSTEAD:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = absent("chromadb", name)
    globals()[name] = value
    return value
