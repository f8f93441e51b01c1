"""Images from uris, and images as a provider takes them.

A uri comes out of a record, so it is data: it opens a file only below a folder the user allows, and a web address
only when asked to and never one of a private network.
"""

from __future__ import annotations

import base64
import io
import ipaddress
import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import numpy as np

from chroma_nb._optional import require
from chroma_nb._processors import may_use_threads
from chroma_nb.embedding_functions.base import DataLoader
from chroma_nb.types import Image, URIs

#: The most bytes an image may have that is fetched.
MAX_BYTES = 64 * 2**20
MAX_REDIRECTS = 5
TIMEOUT = 30.0
WEB = ("http", "https")


class ImageLoader(DataLoader[list[Image | None]]):
    """Load images from files and web addresses, as arrays of shape (height, width, channels). Needs Pillow.

    Pass it as ``data_loader`` of a collection. It opens only files below ``root``, and web addresses only if you allow
    it.

    Parameters
    ----------
    max_workers
        The number of threads. The default is the number of processors, at most 32.
    root
        The directory that files must be in, symbolic links followed. Relative URIs start here. The default is the
        current directory.
    http
        Whether to fetch ``http://`` and ``https://`` URIs. Addresses of private networks are refused. An image may have
        64 MB.

    Raises
    ------
    ValueError
        In a call: a file is outside ``root``, or a web address is not allowed.
    FileNotFoundError
        In a call: a file does not exist.

    Examples
    --------
    A record without a URI has no image:

    >>> ImageLoader()([None])
    [None]
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        root: str | os.PathLike[str] | None = None,
        http: bool = False,
    ) -> None:
        self._max_workers = max_workers or min(32, os.cpu_count() or 1)
        self._root = Path.cwd() if root is None else Path(root).expanduser()
        self._http = http

    def __call__(self, uris: URIs | Sequence[str | None]) -> list[Image | None]:
        if not may_use_threads():
            return [self._load(uri) for uri in uris]
        with ThreadPoolExecutor(self._max_workers, thread_name_prefix="chroma_nb-images") as pool:
            return list(pool.map(self._load, uris))

    def _load(self, uri: str | None) -> Image | None:
        if uri is None:
            return None
        opened = require("PIL.Image", feature="ImageLoader", package="Pillow")
        with self._source(uri) as source, opened.open(source) as image:
            return np.array(image)

    def _source(self, uri: str) -> io.BufferedIOBase:
        scheme = urlsplit(uri).scheme.lower()
        if scheme not in WEB:
            if "://" in uri and scheme not in ("", "file"):
                raise ValueError(
                    f"ImageLoader does not read {scheme}: addresses such as {uri!r}. Download the image first, or "
                    "write a data loader, a class with __call__(self, uris)."
                )
            return open_below(self._root, uri)
        if not self._http:
            raise ValueError(f"{uri!r} is a web address. To download images, use ImageLoader(http=True).")
        return io.BytesIO(fetch_public(uri))


class ChromaLangchainPassthroughDataLoader(DataLoader[Any]):
    """Pass URIs unchanged to a LangChain embedding function that loads images itself."""

    def __call__(self, uris: URIs) -> tuple[str, URIs]:
        return ("images", uris)


# --- Files --------------------------------------------------------------------------------------------
def open_below(root: Path, uri: str) -> io.BufferedReader:
    """The file that ``uri`` (a path or file://) names, if it lies in ``root`` when every link is followed."""
    parts = urlsplit(uri)
    if parts.scheme.lower() == "file":
        uri = unquote(parts.path)
    allowed = root.resolve()
    path = (allowed / uri).resolve()
    if not path.is_relative_to(allowed):
        raise ValueError(f"{uri!r} is outside the folder {str(root)!r}. To load it, use ImageLoader(root=...).")
    return path.open("rb")


# --- The web ------------------------------------------------------------------------------------------
def public_address(host: str, port: int) -> str:
    """The address of ``host``; ValueError when any of its addresses is not a public one."""
    addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    for address in addresses:
        if not _is_public(ipaddress.ip_address(address.partition("%")[0])):
            raise ValueError(
                f"{host} is {address}, an address of a private network. Images are not downloaded from there."
            )
    return min(addresses)


#: IPv6 addresses whose last 32 bits are an IPv4 address: NAT64, IPv4-compatible, IPv4-mapped, IPv4-translated.
_WITH_IPV4 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96")))
#: NAT64 within one network, and Teredo, whose addresses name more than one machine.
_OF_TUNNELS = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "2001::/32")))


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is a public one, and so is the IPv4 address inside it, if there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    if address.is_site_local or any(address in network for network in _OF_TUNNELS):
        return False
    if address.sixtofour is not None:
        return _is_public(address.sixtofour)
    if any(address in network for network in _WITH_IPV4):
        return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not address.is_multicast


def fetch_public(url: str) -> bytes:
    """What ``url`` holds; each redirect is checked like the first address, and the checked address is the one asked."""
    httpx = require("httpx", feature="ImageLoader(http=True)")
    with httpx.Client(timeout=TIMEOUT) as client:
        for _ in range(MAX_REDIRECTS + 1):
            parts = urlsplit(url)
            if parts.scheme.lower() not in WEB or not parts.hostname:
                raise ValueError(f"{url!r} is not a web address")
            port = parts.port or (443 if parts.scheme.lower() == "https" else 80)
            # A name may resolve otherwise the second time, so the request goes to the address that was checked.
            address = public_address(parts.hostname, port)
            netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            pinned = urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, ""))
            host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
            with client.stream(
                "GET", pinned, headers={"Host": host}, extensions={"sni_hostname": parts.hostname}
            ) as response:
                if not response.is_redirect:
                    response.raise_for_status()
                    return _limited(response, url)
                url = urljoin(url, response.headers.get("location", ""))
    raise ValueError(f"{url!r} has more than {MAX_REDIRECTS} redirects")


def _limited(response: Any, url: str) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            raise ValueError(f"{url!r} has more than {MAX_BYTES // 2**20} MB, the limit for an image")
    return bytes(content)


# --- Images for providers -----------------------------------------------------------------------------
def is_image(item: object) -> bool:
    """Whether ``item`` is an image: an array of at least two dimensions."""
    return isinstance(item, np.ndarray) and item.ndim >= 2


def all_images(items: Sequence[object]) -> bool:
    """Whether ``items`` are images; ValueError when they are texts and images mixed."""
    images = [is_image(item) for item in items]
    if any(images) and not all(images):
        raise ValueError("Expected either texts or images, got both. Embed them in two calls.")
    return bool(images) and all(images)


def jpeg_base64(image: Image) -> str:
    """``image`` as JPEG in base64."""
    return _base64(image, "JPEG")


def png_base64(image: Image) -> str:
    """``image`` as PNG in base64."""
    return _base64(image, "PNG")


def _base64(image: Image, form: str) -> str:
    opened = require("PIL.Image", feature="embedding images", package="Pillow")
    buffer = io.BytesIO()
    try:
        opened.fromarray(image).save(buffer, format=form)
    except (TypeError, ValueError, OSError) as error:
        raise ValueError(
            f"Expected an image as an array of uint8 of shape (height, width[, channels]), got {image.dtype} of shape "
            f"{image.shape}: {error}"
        ) from error
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def data_url(image: Image) -> str:
    """``image`` as a data: url."""
    return f"data:image/png;base64,{png_base64(image)}"
