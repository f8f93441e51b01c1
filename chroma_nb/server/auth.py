"""Access control: the token, the Host header, the Origin header.

A server on 127.0.0.1 is reachable from every web page the user opens: a page may post a form to it, or rebind its own
name to 127.0.0.1. Therefore Host and Origin are checked, with or without a token.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from chroma_nb._http import header_value, is_loopback
from chroma_nb.errors import AuthorizationError, ChromaAuthError, ShownAs

#: Paths that say nothing about data, open to whoever reaches the server: probes need no token.
OPEN_PATHS = frozenset({"", "/heartbeat", "/healthcheck", "/version"})

#: A name, or an IPv6 address in brackets, and maybe a port; nothing else before, between or behind.
_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.%]+)\]|(?P<name>[^\[\]:/@\s]+))(?::\d*)?")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def check_binding(host: str, token: str | None) -> None:
    """Refuse to listen where others reach us without a token."""
    if token is not None and len(header_value("Authorization", token)) < 16:
        raise ValueError(
            f"Expected a token of at least 16 characters, got {len(token.strip())}. "
            'Create one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    if not is_loopback(host) and token is None:
        raise ValueError(
            f"Expected a token to listen on {host!r}, where other machines can reach the server, got none. "
            "Pass token=… (chroma-nb serve: --token-file FILE or the environment variable CHROMA_NB_TOKEN), "
            "or listen on 127.0.0.1."
        )


class Gate:
    """Lets a request in or raises; holds a digest, never the token."""

    def __init__(
        self,
        token: str | None,
        bound_to: str,
        allowed_hosts: Collection[str] = (),
        allowed_origins: Collection[str] = (),
    ) -> None:
        self._origins = {check_origin(origin) for origin in allowed_origins}
        self._digest = None if token is None else _digest(token.strip())  # clients cannot send what is around it
        names = {name.lower().strip("[]") for name in allowed_hosts}
        # Where a token is demanded on a public address, the machine may be called anything.
        self._hosts = _LOOPBACK_NAMES | {bound_to} | names if is_loopback(bound_to) or names else None

    def __repr__(self) -> str:
        return f"Gate(token={'set' if self._digest else 'none'})"

    def check(self, path: str, headers: Mapping[str, str]) -> None:
        """Raise unless a request for ``path`` (below the API) with these headers may pass."""
        self.check_place(headers)
        if self._digest is not None and path not in OPEN_PATHS:
            self._check_token(headers)

    def check_place(self, headers: Mapping[str, str]) -> None:
        """Raise unless a request came to us by a name of ours, and from no page but those that may ask."""
        host = host_name(headers.get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            raise _ForeignHostError(
                "The Host header names a machine that this server does not serve. "
                "To allow it, add it to allowed_hosts (--allowed-host)."
            )
        origin = headers.get("origin")
        own = origin is None or _authority(origin) == headers.get("host", "").lower()
        if not own and not self.allows(origin):
            raise _ForeignHostError(
                "Requests from web pages of another origin are refused. "
                "To allow it, add it to allowed_origins (--allow-origin)."
            )

    def allows(self, origin: str | None) -> bool:
        """Whether pages of this origin may ask, and read the answers."""
        return origin is not None and (origin.lower() in self._origins or "*" in self._origins)

    def _check_token(self, headers: Mapping[str, str]) -> None:
        given = [headers["x-chroma-token"]] if "x-chroma-token" in headers else []
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            given.append(credentials.strip())
        if not given:
            raise AuthorizationError(
                "This server needs a token in the header Authorization: Bearer ..., or X-Chroma-Token: ..."
            )
        # Digests have one length, so the comparison's time tells nothing, not even the token's length.
        if not any(hmac.compare_digest(_digest(one), self._digest or b"") for one in given):
            raise ChromaAuthError("Forbidden")


def check_origin(origin: str) -> str:
    """An origin as browsers send it, in small letters; ``*`` is every one. ValueError for anything else.

    >>> check_origin("http://Localhost:3000")
    'http://localhost:3000'
    """
    authority = _authority(origin)
    if origin != "*" and (not authority or origin.lower() != f"{origin.lower().partition(':')[0]}://{authority}"):
        raise ValueError(f"Expected an origin such as http://localhost:3000 (no path) or *, got {origin!r}")
    return origin.lower()


def _authority(origin: str) -> str | None:
    """Host and port of an origin, in small letters; None where it has none that can be read."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


class _ForeignHostError(ChromaAuthError, metaclass=ShownAs, shown=ChromaAuthError):
    """A request that came by way of a web page or a name that is not ours."""

    def message(self) -> str:
        """What the client is told."""
        return str(self.args[0])


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets; nothing where it is not of that form.

    >>> host_name("LOCALHOST:8000"), host_name("[::1]:8000")
    ('localhost', '::1')
    """
    found = _HOST.fullmatch(header)
    return "" if found is None else (found["address"] or found["name"]).lower()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
