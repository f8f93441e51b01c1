"""Open the backend that settings describe: the engine in this process, or a server.

Chroma's settings name a class (``chroma_api_impl``). The name only selects a row here; it is never imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from chroma_nb.backends.base import AsyncBackend, Backend
from chroma_nb.backends.embedded import open_embedded
from chroma_nb.config import Settings, refuse_legacy

B = TypeVar("B")


def _open_http(settings: Settings) -> Backend:
    from chroma_nb.backends.http.transport import HttpBackend

    return HttpBackend(settings)


def _open_async_http(settings: Settings) -> AsyncBackend:
    from chroma_nb.backends.http.transport import AsyncHttpBackend

    return AsyncHttpBackend(settings)


#: The last part of ``chroma_api_impl`` -> what opens it.
BACKENDS: Mapping[str, Callable[[Settings], Backend]] = {
    "RustBindingsAPI": open_embedded,
    "SegmentAPI": open_embedded,
    "FastAPI": _open_http,
}
ASYNC_BACKENDS: Mapping[str, Callable[[Settings], AsyncBackend]] = {
    "AsyncFastAPI": _open_async_http,
}


def open_backend(settings: Settings) -> Backend:
    """The backend that ``settings`` mean. ValueError when there is none of that name."""
    return _row(BACKENDS, settings)(settings)


def open_async_backend(settings: Settings) -> AsyncBackend:
    """The backend that ``settings`` mean, for an event loop. ValueError when there is none of that name."""
    return _row(ASYNC_BACKENDS, settings)(settings)


def _row(table: Mapping[str, Callable[[Settings], B]], settings: Settings) -> Callable[[Settings], B]:
    refuse_legacy(settings)
    name = settings.chroma_api_impl
    opener = table.get(str(name).rpartition(".")[2])
    if opener is None:
        raise ValueError(
            f"Unsupported Chroma API implementation {name}; expected one of {', '.join(table)}.\n"
            "Create the client with EphemeralClient(), PersistentClient(path) or HttpClient(host), which set it."
        )
    return opener
