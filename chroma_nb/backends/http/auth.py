"""Credentials as headers, kept out of sight.

``PROVIDERS`` maps the names that Chroma's Settings know to functions; nothing is imported by name. The provider
classes are for programs that create one themselves; the client uses the functions.
"""

from __future__ import annotations

import base64
import string
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from chroma_nb.config import Component, Settings, System
from chroma_nb.types import TokenTransportHeader

#: Headers in which a server may expect a token.
allowed_token_headers = [header.value for header in TokenTransportHeader]
AUTHORIZATION_HEADER = TokenTransportHeader.AUTHORIZATION.value

valid_token_chars = set(string.digits + string.ascii_letters + string.punctuation)


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
    if not set(credentials) <= valid_token_chars:
        raise ValueError("Invalid token. Must contain only ASCII letters, digits, and punctuation.")
    header = _header_value(settings.chroma_auth_token_transport_header or AUTHORIZATION_HEADER)
    if header not in allowed_token_headers:
        raise ValueError(f"Invalid token transport header: {header}. Must be one of {allowed_token_headers}")
    return {header: f"Bearer {credentials}" if header == AUTHORIZATION_HEADER else credentials}


def _basic(settings: Settings) -> dict[str, str]:
    return {AUTHORIZATION_HEADER: basic(str(settings.chroma_client_auth_credentials))}


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
            f"Expected chroma_client_auth_provider to be one of {sorted(PROVIDERS)}, got {str(name)!r}. For "
            "other kinds, pass the finished headers: HttpClient(headers={...})."
        )
    if not settings.chroma_client_auth_credentials:
        raise ValueError(
            f"chroma_client_auth_provider={name!r} needs chroma_client_auth_credentials. Set both in Settings."
        )
    return SecretHeaders(provider(settings))


# --- Chroma's classes ---------------------------------------------------------------------------------------
class AuthError(Exception):
    """Chroma's server raises it inside itself; here for ``except``."""


class SecretStr:
    """A text that shows nowhere but in ``get_secret_value``.

    >>> SecretStr("hush"), SecretStr("hush").get_secret_value()
    (SecretStr('**********'), 'hush')
    """

    __slots__ = ("_reveal",)

    def __init__(self, secret: str) -> None:
        self._reveal: Callable[[], str] = lambda: secret

    def get_secret_value(self) -> str:
        """The text."""
        return self._reveal()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and self._reveal() == other._reveal()

    def __hash__(self) -> int:
        return hash(self._reveal())

    def __len__(self) -> int:
        return len(self._reveal())

    def __str__(self) -> str:
        return "**********"

    def __repr__(self) -> str:
        return f"SecretStr('{self}')"


ClientAuthHeaders: TypeAlias = dict[str, SecretStr]


class ClientAuthProvider(Component):
    """Base of what gives the headers that prove who we are."""

    def authenticate(self) -> ClientAuthHeaders:
        """The headers."""
        raise NotImplementedError(
            f"Expected {type(self).__name__} to define authenticate(), which returns the headers."
        )


class _ProviderOfSettings(ClientAuthProvider):
    _headers_of: Callable[[Settings], dict[str, str]]

    def __init__(self, system: System) -> None:
        """ValueError when the settings hold no credentials, or such as no server could take."""
        super().__init__(system)
        system.settings.require("chroma_client_auth_credentials")
        self._headers = SecretHeaders(type(self)._headers_of(system.settings))

    def authenticate(self) -> ClientAuthHeaders:
        """The headers that the settings ask for, each value hidden in a SecretStr."""
        return {name: SecretStr(value) for name, value in self._headers.items()}


class TokenAuthClientProvider(_ProviderOfSettings):
    """The token of ``chroma_client_auth_credentials``, in the header that the settings name.

    >>> settings = Settings(chroma_client_auth_credentials="hush")
    >>> TokenAuthClientProvider(System(settings)).authenticate()
    {'Authorization': SecretStr('**********')}
    """

    _headers_of = staticmethod(_token)


class BasicAuthClientProvider(_ProviderOfSettings):
    """The ``user:password`` of ``chroma_client_auth_credentials``."""

    _headers_of = staticmethod(_basic)
