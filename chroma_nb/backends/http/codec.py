"""Operations on the wire of Chroma's REST API v2: request -> call, reply -> result or error.

Functions of values, no sockets. The row in ``endpoints.py`` describes how an operation travels.
``_async/conversation.py`` defines the order of calls, ``exchange.py`` what is split and repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import orjson

from chroma_nb import errors
from chroma_nb.backends.endpoints import ENDPOINTS, Route
from chroma_nb.backends.wire.encoding import dumps
from chroma_nb.operations import requests as ops

R = TypeVar("R")


# --- What travels ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request below the API's base URL. A ``repeatable`` call leaves the same state and
    gives the same answer when it arrives twice."""

    method: str
    target: str
    body: bytes | None = None
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What ``/pre-flight-checks`` tells: None as batch size means "not said".

    ``is_ours``: it knows the calls and fields that Chroma's server does not have.
    """

    max_batch_size: int | None = None
    takes_base64: bool = False
    is_ours: bool = False


PRE_FLIGHT = Call("GET", "/pre-flight-checks", repeatable=True)


def server_facts(reply: Reply) -> ServerFacts:
    """The facts in the reply to ``PRE_FLIGHT``; a server that does not know this call has none."""
    if reply.status == 404:
        return ServerFacts()
    answer = _json(reply)
    size = answer.get("max_batch_size")
    return ServerFacts(
        size if isinstance(size, int) and size > 0 else None,
        bool(answer.get("supports_base64_encoding")),
        bool(answer.get("supports_asking")),
    )


def _json(reply: Reply) -> Any:
    try:
        return orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        kind = reply.headers.get("content-type", "no content type")
        raise errors.InternalError(
            f"Expected JSON from a Chroma server, got {kind} that begins with {reply.body[:80]!r}. "
            "Check that the host and port are those of a Chroma server, and that no proxy replies in its place."
        ) from None


# --- Encode, decode -----------------------------------------------------------------------------------------
def _route(request: ops.AnyRequest) -> Route:
    """How ``request`` travels; an error that says so where only a local engine can do it."""
    route = ENDPOINTS[type(request)].route
    if route is not None:
        return route
    call = type(request).__name__.lower()
    raise errors._NotOfferedError(
        f"{call}() is not available on a client of a server: it works on a local directory only. "
        f"Open the directory with PersistentClient on the server's machine and call {call}() there. "
        "The server may keep running."
    )


def is_ours(request: ops.AnyRequest) -> bool:
    """Whether ``request`` asks for what Chroma's server does not have."""
    return _route(request).ours(request)


def _segment(value: object) -> str:
    """One part of a path. A dot alone would be resolved away: ``collections/..`` is the database."""
    text = quote(str(value), safe="")
    return text.replace(".", "%2E") if text in {".", ".."} else text


def encode(request: ops.Request[R], facts: ServerFacts) -> Call:
    """The call that asks a server for ``request``; NotImplementedError for what only a local engine can do.

    >>> encode(ops.GetTenant("a/b"), ServerFacts()).target
    '/tenants/a%2Fb'
    """
    route = _route(request)
    target = re.sub(r"{(\w+)}", lambda name: _segment(getattr(request, route.field_of(name[1]))), route.path)
    query = route.query.write(request, facts.takes_base64)
    if query:
        target += "?" + urlencode(query)
    body = None if route.body is None else dumps(route.body.write(request, facts.takes_base64))
    return Call(route.method, target, body, route.repeatable(request))


def decode(request: ops.Request[R], reply: Reply) -> R:
    """The result of ``request`` in ``reply``; an error in it is raised."""
    if not 200 <= reply.status < 300:
        raise error_of(reply, request)
    answer: R
    try:
        answer = _route(request).answer.read(_json(reply), request)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.InternalError(
            f"Expected Chroma's reply to {type(request).__name__}, got {reply.body[:80]!r} ({type(error).__name__}). "
            "Check that the server offers Chroma's API v2."
        ) from error
    return answer


# --- Errors ---------------------------------------------------------------------------------------------------
#: Names that say little on the wire ("ChromaError"): the status tells which class is meant.
_BY_STATUS: dict[int, type[errors.ChromaError]] = {
    400: errors.InvalidArgumentError,
    401: errors.AuthorizationError,
    403: errors.AuthorizationError,
    404: errors._MissingError,
    409: errors._AlreadyExistsError,
    410: errors.VersionMismatchError,
    413: errors.BatchSizeExceededError,
    415: errors.InvalidArgumentError,
    422: errors.InvalidArgumentError,
    429: errors.RateLimitError,
    501: errors._NotOfferedError,
}
#: Where this package raises a child that is a ValueError too, the child.
_CHILDREN: dict[type[errors.ChromaError], type[errors.ChromaError]] = {
    errors.NotFoundError: errors._MissingError,
    errors.UniqueConstraintError: errors._AlreadyExistsError,
}


def _is_badly_named(request: ops.AnyRequest) -> bool:
    """Whether a name that ``request`` gives is none that Chroma allows."""
    body = _route(request).body
    checks = [] if body is None else [(field.kind.check, field.key) for field in body.fields]
    return any(check is not None and _is_refused(check, getattr(request, key)) for check, key in checks)


def _is_refused(check: Callable[[Any], object], name: object) -> bool:
    try:
        if name is not None:
            check(name)
    except errors._InvalidNameError:
        return True
    except TypeError:  # it is no text: not a matter of names
        pass
    return False


def error_of(reply: Reply, request: ops.AnyRequest | None = None) -> errors.ChromaError:
    """The exception a reply tells of: by its name, else by its status; with the server's trace id.

    Of a bad argument no server says which but in words: that it is the name is told by the ``request``.

    >>> error_of(Reply(404, {}, b'{"error":"NotFoundError","message":"Collection [x] does not exist"}'))
    NotFoundError('Collection [x] does not exist')
    """
    name, message = _name_and_message(reply)
    if request is not None and not name and reply.status in (404, 405) and (absent := _route(request).absent):
        return errors._NotOfferedError(absent)
    kind = errors.error_types.get(name) or _BY_STATUS.get(reply.status)
    if kind is None:
        kind = errors.InternalError if reply.status >= 500 else errors.ChromaError
    kind = _CHILDREN.get(kind, kind)
    if kind is errors.InvalidArgumentError and request is not None and _is_badly_named(request):
        kind = errors._InvalidNameError
    error = kind(errors.printable(message) + _for_credentials(reply.status, message))
    error.trace_id = errors.printable(reply.headers.get("chroma-trace-id", "")) or None
    return error


def _for_credentials(status: int, message: str) -> str:
    """What to do when a server wants another token, or any."""
    if status == 403 and message == "Forbidden":
        return '\nThe server rejected the token. Check it: HttpClient(…, headers={"X-Chroma-Token": token}).'
    if status == 401:
        return '\nThe server needs a token. Pass it: HttpClient(…, headers={"X-Chroma-Token": token}).'
    return ""


def _name_and_message(reply: Reply) -> tuple[str, str]:
    try:
        answer = orjson.loads(reply.body)
        return str(answer["error"]), str(answer.get("message", answer["error"]))
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        text = reply.body[:200].decode("utf-8", "replace").strip()
        if reply.status == 422 and text:  # what is wrong with the JSON sent, which Chroma's client says as it is
            return "", text
        where = f", to {reply.headers['location']!r}" if "location" in reply.headers else ""
        return "", f"the server replied with status {reply.status}{where}" + (f": {text}" if text else "")
