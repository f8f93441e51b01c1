"""Credentials as headers, kept out of sight.

``PROVIDERS`` maps the names that Chroma's Settings know to functions; nothing is imported by name.
"""

from __future__ import annotations

import base64
import string
from collections.abc import Callable, Iterator, Mapping

from chroma_nb.config import Settings

#: Headers in which a server may expect a token.
TOKEN_HEADERS = ("Authorization", "X-Chroma-Token")

_TOKEN_CHARACTERS = frozenset(string.digits + string.ascii_letters + string.punctuation)


class SecretHeaders(Mapping[str, str]):
    """Headers whose values show nowhere but in ``[]``.

    >>> SecretHeaders({"X-Chroma-Token": "hush"})
    SecretHeaders(X-Chroma-Token=***)
    """

    __slots__ = ("_reveal",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        kept = dict(headers)
        # A closure, not an attribute: vars(), pickles and debuggers' trees show no value.
        self._reveal: Callable[[], dict[str, str]] = lambda: kept

    def __getitem__(self, name: str) -> str:
        return self._reveal()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reveal())

    def __len__(self) -> int:
        return len(self._reveal())

    def __repr__(self) -> str:
        return f"SecretHeaders({', '.join(f'{name}=***' for name in self)})"


def _header_value(header: object) -> str:
    return str(getattr(header, "value", header))


def _token(settings: Settings) -> dict[str, str]:
    credentials = str(settings.chroma_client_auth_credentials)
    if not set(credentials) <= _TOKEN_CHARACTERS:
        raise ValueError("Invalid token. Must contain only ASCII letters, digits, and punctuation.")
    header = _header_value(settings.chroma_auth_token_transport_header or "Authorization")
    if header not in TOKEN_HEADERS:
        raise ValueError(f"Invalid token transport header: {header}. Must be one of {list(TOKEN_HEADERS)}")
    return {header: f"Bearer {credentials}" if header == "Authorization" else credentials}


def _basic(settings: Settings) -> dict[str, str]:
    return {"Authorization": basic(str(settings.chroma_client_auth_credentials))}


def basic(credentials: str) -> str:
    """``user:password`` as the value of an Authorization header."""
    return "Basic " + base64.b64encode(credentials.encode()).decode("ascii")


PROVIDERS: dict[str, Callable[[Settings], dict[str, str]]] = {
    "chromadb.auth.token_authn.TokenAuthClientProvider": _token,
    "chroma_nb.auth.token_authn.TokenAuthClientProvider": _token,
    "chromadb.auth.basic_authn.BasicAuthClientProvider": _basic,
    "chroma_nb.auth.basic_authn.BasicAuthClientProvider": _basic,
}


def auth_headers(settings: Settings) -> SecretHeaders:
    """The headers that prove who we are, from the ``chroma_client_auth_*`` settings; none when none are set."""
    name = settings.chroma_client_auth_provider
    if not name:
        return SecretHeaders({})
    provider = PROVIDERS.get(str(name))
    if provider is None:
        raise ValueError(
            f"Expected chroma_client_auth_provider to be one of {sorted(PROVIDERS)}, got {str(name)!r}; "
            "for anything else give the finished headers: HttpClient(headers={...})"
        )
    if not settings.chroma_client_auth_credentials:
        raise ValueError(
            f"chroma_client_auth_provider is {name!r}, which needs chroma_client_auth_credentials; got none"
        )
    return SecretHeaders(provider(settings))
