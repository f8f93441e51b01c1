"""Call a provider over HTTP: the key from the environment, batches, retries, errors without secrets."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast
from urllib.parse import quote

import numpy as np

from chroma_nb._http import around_proxies, header_value, proxy_for
from chroma_nb._optional import require
from chroma_nb.embedding_functions.batches import distinct, in_batches
from chroma_nb.embedding_functions.progress import progress_bar
from chroma_nb.errors import ChromaAuthError, ChromaError, QuotaError, RateLimitError, printable
from chroma_nb.plain import shown
from chroma_nb.types import Json, Matrix

if TYPE_CHECKING:
    import httpx

#: JSON that a provider sent, of which nothing is known.
Answer: TypeAlias = Any

#: Replies after which a retry makes sense.
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
#: Status -> what it is called here; any other failure is a ChromaError.
FAILURES: dict[int, type[ChromaError]] = {
    401: ChromaAuthError,
    402: QuotaError,
    403: ChromaAuthError,
    429: RateLimitError,
}
TRIES = 5
#: Seconds before the second try, doubled before each further one, and never more than the longest.
FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
#: As much of a provider's own words as an error repeats.
QUOTED = 300


def in_path(name: str, safe: str = "") -> str:
    """A name as a part of the path of an address; ValueError where it would lead to another address.

    >>> in_path("intfloat/e5-small", safe="/"), in_path("a model")
    ('intfloat/e5-small', 'a%20model')
    """
    if {"", ".", ".."}.intersection(name.split("/")):
        raise ValueError(f"Expected the name of a model or an account, got {shown(name, 60, repr)}")
    return quote(name, safe=safe)


class ApiKey:
    """A key that is never shown: read from the environment when needed, or given by the caller and never stored."""

    def __init__(self, variable: str | None, given: str | None = None) -> None:
        self.variable = variable
        self._given = given

    def value(self) -> str | None:
        """Return the key itself; None if no key is found."""
        return self._given or (os.environ.get(self.variable) if self.variable else None)

    def __repr__(self) -> str:
        return "ApiKey(given)" if self._given else f"ApiKey({self.variable})"

    def __copy__(self) -> ApiKey:
        return self

    def __deepcopy__(self, memo: object) -> ApiKey:
        return self  # what a pickle leaves out stays in this process

    def __reduce__(self) -> tuple[type[ApiKey], tuple[str | None]]:
        return ApiKey, (self.variable,)


def find_key(given: str | None, variable: str | None, usual: str | None = None) -> ApiKey:
    """Return the key given, else that of the environment variable, else that of the provider's ``usual`` variable.

    Raise a ValueError if no key is found.
    """
    if given is not None:
        warnings.warn(
            "An api_key passed directly is not stored with a collection. Put the key into an environment "
            "variable and pass its name as api_key_env_var, so that the collection can embed when you open it "
            "again.",
            DeprecationWarning,
            stacklevel=3,
        )
        return ApiKey(variable, given)
    for name in (variable, usual):
        if name and os.environ.get(name):
            return ApiKey(name)
    raise ValueError(f"The {variable} environment variable is not set.")


@dataclass
class Api:
    """One provider's endpoint."""

    provider: str
    url: str
    key: ApiKey = field(default_factory=lambda: ApiKey(None))
    #: How the key is sent: header name and the text before it.
    key_header: tuple[str, str] = ("Authorization", "Bearer ")
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 60.0
    #: The parameter of the address in which the key is sent, where the service wants it there and in no header.
    key_parameter: str | None = None

    @contextmanager
    def session(self) -> Iterator[Callable[[Json], Answer]]:
        """A function that posts JSON and returns JSON; connections are kept while the session lasts."""
        httpx = require("httpx", feature=f"embedding with {self.provider}")
        headers = dict(self.headers)
        transport = None
        if (secret := self.key.value()) is not None:
            name, prefix = self.key_header
            secret = header_value(name, secret)
            if self.key_parameter is None:
                headers[name] = prefix + secret
            else:
                transport = _with_parameter(httpx, self.key_parameter, secret, proxy_for(self.url))
        reaching = {"transport": transport, "mounts": around_proxies(self.url)}
        with httpx.Client(headers=headers, timeout=self.timeout, **reaching) as client:
            yield lambda body: self._json(self._post(client, body, httpx.TransportError))

    def _post(self, client: httpx.Client, body: Json, unreachable: type[Exception]) -> httpx.Response:
        """The provider's reply; the request is repeated while the provider is busy or cannot be reached."""
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                response = client.post(self.url, json=body)
            except unreachable as error:
                if last:
                    why = f"{type(error).__name__}: {error}"
                    raise ChromaError(f"{self.provider} could not be reached: {why}") from None
                wait = _wait(attempt, None)
            else:
                if response.is_success:
                    return response
                if last or response.status_code not in BUSY or _quota_is_used_up(response):
                    self._fail(response)
                wait = _wait(attempt, response.headers.get("retry-after"))
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _json(self, response: httpx.Response) -> Answer:
        try:
            return response.json()
        except ValueError:
            raise ChromaError(f"{self.provider} returned something that is not JSON") from None

    def _fail(self, response: httpx.Response) -> NoReturn:
        error = QuotaError if _quota_is_used_up(response) else FAILURES.get(response.status_code, ChromaError)
        words = printable(self._without_key(_words(response))[:QUOTED])
        hint = f". Check the key in {self.key.variable}." if error is ChromaAuthError and self.key.variable else ""
        raise error(f"{self.provider} returned status {response.status_code}: {words or 'no reason given'}{hint}")

    def _without_key(self, words: str) -> str:
        secret = (self.key.value() or "").strip()
        return words.replace(secret, "***") if secret else words


def _with_parameter(library: Any, name: str, secret: str, proxy: str | None) -> httpx.BaseTransport:
    """What sends a request with the secret in its address; the request that httpx logs does not have it.

    httpx asks the environment for a proxy only where it makes the transport itself.
    """

    class _Transport(library.HTTPTransport):  # type: ignore[misc]  # a class that is known when httpx is
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            """Send the request, its address complete."""
            url = request.url.copy_add_param(name, secret)
            answer: httpx.Response = super().handle_request(
                library.Request(
                    request.method,
                    url,
                    headers=request.headers,
                    stream=request.stream,
                    extensions=request.extensions,
                )
            )
            return answer

    return cast("httpx.BaseTransport", _Transport(proxy=proxy))


def _quota_is_used_up(response: httpx.Response) -> bool:
    """Whether waiting is of no use, though the status says to try again."""
    return "insufficient_quota" in response.text


def _wait(attempt: int, retry_after: str | None) -> float:
    """Seconds to wait: what the provider asks for, else twice as long each time, somewhat scattered."""
    try:
        wanted = float(retry_after or "")
    except ValueError:  # absent, or a date
        wanted = FIRST_WAIT * 2**attempt * random.uniform(0.75, 1.25)  # noqa: S311  # scatters callers
    return min(max(wanted, 0.0), LONGEST_WAIT)


def _words(response: httpx.Response) -> str:
    """What the provider says about its refusal, wherever in its reply it says so."""
    try:
        said = response.json()
    except ValueError:
        return " ".join(response.text.split())
    for name in ("error", "message", "detail"):
        while isinstance(said, Mapping) and name in said:
            said = said[name]
    return str(said)


def embed_in_batches(
    texts: Sequence[str], *, size: int, ask: Callable[[Sequence[str]], Answer], provider: str
) -> list[Answer]:
    """The vectors of ``texts``, each distinct one asked for once, ``size`` at a time.

    Raises ValueError when a reply does not hold one vector for each text.
    """
    asked, places = distinct(texts)
    vectors: list[Answer] = []
    with progress_bar(len(asked), description=f"embedding ({provider})", unit="text") as bar:
        for batch in in_batches(asked, size):
            vectors.extend(matrix(ask(batch), len(batch), provider))
            bar.update(len(batch))
    return vectors if places is None else [vectors[place].copy() for place in places]


def matrix(rows: object, expected: int, provider: str) -> Matrix:
    """``rows`` as float32; ValueError unless they are ``expected`` vectors of one length."""
    try:
        vectors = np.asarray(rows, np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{provider} returned something that is not vectors") from None
    if vectors.ndim != 2 or len(vectors) != expected:
        raise ValueError(f"Expected {expected} vectors from {provider}, got a reply of shape {vectors.shape}")
    return vectors


def rows_of(answer: object, *names: str) -> Answer:
    """``answer[names[0]][names[1]]...``; ValueError when a provider's reply has another shape."""
    for name in names:
        if not isinstance(answer, Mapping) or name not in answer:
            raise ValueError(f"expected {'.'.join(names)} in the provider's reply, got {str(answer)[:QUOTED]}")
        answer = answer[name]
    return answer


def indexed(answer: object) -> list[Answer]:
    """The vectors of a reply ``{"data": [{"index": 0, "embedding": [...]}, ...]}``, in order."""
    rows = rows_of(answer, "data")
    return [rows_of(row, "embedding") for row in sorted(rows, key=lambda row: rows_of(row, "index"))]
