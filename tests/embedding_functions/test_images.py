"""Images: from files below an allowed folder, from public addresses when asked, as arrays."""

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chroma_nb.embedding_functions import image_loader
from chroma_nb.embedding_functions.image_loader import (
    ChromaLangchainPassthroughDataLoader,
    ImageLoader,
    data_url,
    public_address,
)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(np.full((2, 3, 3), 7, np.uint8)).save(folder / "seven.png")
    Image.fromarray(np.zeros((1, 1, 3), np.uint8)).save(tmp_path / "outside.png")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    return folder


def test_files_below_the_root_become_arrays(pictures: Path) -> None:
    loader = ImageLoader(root=pictures)
    seven = pictures / "seven.png"
    loaded = loader(["seven.png", str(seven), seven.as_uri(), None])
    assert loaded[3] is None
    for image in loaded[:3]:
        assert image is not None
        assert (image.shape, image.dtype, image.max()) == ((2, 3, 3), np.uint8, 7)


@pytest.mark.parametrize("uri", ["../outside.png", "link.png", "/etc/passwd", "file:///etc/passwd"])
def test_files_outside_the_root_are_refused_however_they_are_named(pictures: Path, uri: str) -> None:
    with pytest.raises(ValueError, match=r"is outside .*ImageLoader\(root="):
        ImageLoader(root=pictures)([uri])


def test_without_a_root_the_current_folder_is_it(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    (image,) = ImageLoader(max_workers=1)(["seven.png"])
    assert image is not None
    with pytest.raises(FileNotFoundError):
        ImageLoader()(["none.png"])


def test_the_web_is_not_asked_unless_allowed(pictures: Path) -> None:
    with pytest.raises(ValueError, match=r"ImageLoader\(http=True\)"):
        ImageLoader(root=pictures)(["https://example.com/a.png"])


PRIVATE = (
    "127.0.0.1 10.1.2.3 192.168.0.1 169.254.169.254 172.16.0.1 0.0.0.0 224.0.0.1 100.64.0.1 "
    "::1 fd00::1 fe80::1 fec0::1 ::ffff:127.0.0.1 ::127.0.0.1 ::10.1.2.3 ::ffff:0:7f00:1 "
    "64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::808:808 2002:7f00:1:: 2002:a00:1:: 2001:0:53aa:64c::1"
)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses_are_never_asked(address: str) -> None:
    netloc = f"[{address}]" if ":" in address else address
    with pytest.raises(ValueError, match="private network"):
        ImageLoader(http=True)([f"http://{netloc}/a.png"])


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, **kwargs: Any) -> list[Any]:
        return [(None, None, None, "", ("93.184.216.34", port)), (None, None, None, "", ("10.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ValueError, match=r"10\.0\.0\.1, an address of a private network"):
        public_address("example.com", 80)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"])
def test_public_addresses_are_asked_also_through_a_translator(address: str) -> None:
    assert public_address(address, 80) == address


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public names resolve to the test's server; nothing else is taken for public."""

    def resolved(host: str, port: int) -> str:
        if host in ("pictures.example", "other.example"):
            return "127.0.0.1"
        raise ValueError(f"{host} is an address of a private network")

    monkeypatch.setattr(image_loader, "public_address", resolved)


@pytest.mark.usefixtures("reachable")
def test_a_public_image_is_fetched_from_the_address_that_was_checked(provider, pictures: Path) -> None:
    port = provider.url.rpartition(":")[2]
    content = (pictures / "seven.png").read_bytes()
    provider.plays((302, {"Location": f"http://other.example:{port}/real.png?size=1"}, b""), (200, {}, content))
    (image,) = ImageLoader(http=True)([f"http://pictures.example:{port}/a.png"])
    assert image is not None
    assert image.shape == (2, 3, 3)
    assert [request.path for request in provider.received] == ["/a.png", "/real.png?size=1"]
    assert provider.received[1].headers["Host"] == f"other.example:{port}"


@pytest.mark.usefixtures("reachable")
@pytest.mark.parametrize("target", ["http://127.0.0.1/", "http://metadata.internal/", "file:///etc/passwd", "ftp://x/"])
def test_a_redirect_to_somewhere_private_is_not_followed(provider, target: str) -> None:
    port = provider.url.rpartition(":")[2]
    provider.plays((302, {"Location": target}, b""))
    with pytest.raises(ValueError, match=r"private network|not a web address"):
        ImageLoader(http=True)([f"http://pictures.example:{port}/a.png"])
    assert len(provider.received) == 1


@pytest.mark.usefixtures("reachable")
def test_redirects_and_sizes_have_an_end(provider, monkeypatch: pytest.MonkeyPatch) -> None:
    port = provider.url.rpartition(":")[2]
    provider.plays((302, {"Location": "/again"}, b""))
    with pytest.raises(ValueError, match="more than 5 redirects"):
        ImageLoader(http=True)([f"http://pictures.example:{port}/a.png"])
    monkeypatch.setattr(image_loader, "MAX_BYTES", 2**20)
    provider.answers[:] = [(200, {}, b"x" * (2**20 + 1))]
    with pytest.raises(ValueError, match="more than 1 MB"):
        ImageLoader(http=True)([f"http://pictures.example:{port}/a.png"])


def test_images_for_providers_are_png_and_odd_arrays_are_named() -> None:
    assert data_url(np.zeros((2, 2, 3), np.uint8)).startswith("data:image/png;base64,iVBOR")
    with pytest.raises(ValueError, match=r"array of uint8 of shape .* got float64 of shape \(2, 2, 3\)"):
        data_url(np.zeros((2, 2, 3)))


def test_uris_for_langchain_pass_through() -> None:
    assert ChromaLangchainPassthroughDataLoader()(["a.png"]) == ("images", ["a.png"])
