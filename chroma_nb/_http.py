"""What all HTTP requests of ours have in common: values of headers, which may be secrets; no proxy to this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine to itself.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def around_proxies(url: str) -> dict[str, None]:
    """httpx's ``mounts``: a server on this machine is asked directly, since no proxy can reach it."""
    host = urlsplit(url).hostname or ""
    return {f"all://[{host}]" if ":" in host else f"all://{host}": None} if is_loopback(host) else {}


def proxy_variable(url: str) -> str | None:
    """The environment variable that names a proxy for ``url``; None where it is asked directly."""
    return next((f"{name.upper()}_PROXY" for name, _ in _proxies(url)), None)


def proxy_for(url: str) -> str | None:
    """The address of the proxy that the environment names for ``url``; None where it is asked directly."""
    address = next((address for _, address in _proxies(url)), None)
    return address if address is None or "://" in address else f"http://{address}"


def _proxies(url: str) -> Iterator[tuple[str, str]]:
    """What the environment says for ``url``, most particular first: the scheme that it is said for, the address."""
    parts, proxies = urlsplit(url), getproxies()
    host = parts.hostname or ""
    if not is_loopback(host) and not proxy_bypass(host):
        yield from ((name, proxies[name]) for name in (parts.scheme, "all") if proxies.get(name))


def header_value(name: str, value: str) -> str:
    """``value`` without white space around it, as a token has that was read from a file.

    ValueError, which does not show it, for what no header can carry: HTTP's own library would show it.

    >>> header_value("X-Chroma-Token", "hush\\n")
    'hush'
    """
    stripped = value.strip()
    wrong = [place for place, character in enumerate(stripped) if not (" " <= character <= "~" or character == "\t")]
    if wrong:
        raise ValueError(
            f"Expected the value of the header {name} (a token or key; not shown here) to be printable ASCII, "
            f"got another character at position {wrong[0]}. Copy it again, without quotes and line breaks."
        )
    return stripped
