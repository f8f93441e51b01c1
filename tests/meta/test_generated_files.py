"""What is generated is current: the synchronous client, and Chroma's import paths."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import generate_paths
import generate_sync
import pytest


def test_the_synchronous_client_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_sync.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("package", ["client", "tables", "backends/http"])
def test_every_file_of_a_package_is_generated(package: str) -> None:
    folder = Path(generate_sync.PACKAGE, package)
    by_hand = {f"{package}/_async/{path.name}" for path in (folder / "_async").glob("*.py")}
    assert by_hand == {source for source in generate_sync.FILES if source.startswith(f"{package}/")}
    generated = {f"{package}/_sync/{path.name}" for path in (folder / "_sync").glob("*.py")}
    assert generated == {target for target in generate_sync.FILES.values() if target.startswith(f"{package}/")}


@pytest.mark.parametrize(
    ("asynchronous", "expected"),
    [
        ("async def add(self) -> None:\n", "def add(self) -> None:\n"),
        ("    return await self.handle(x)\n", "    return self.handle(x)\n"),
        ("    await blocking.run(file.close)\n", "    file.close()\n"),
        ("    x = await blocking.run(read, path, size=3)\n", "    x = read(path, size=3)\n"),
        ("    x = await blocking.run(\n        read,\n        path,\n    )\n", "    x = read(\n        path,\n    )\n"),
        ("class AsyncClient(AsyncClientAPI):\n", "class Client(ClientAPI):\n"),
        ("a\n    # async only\n    b\n    # end async only\nc\n", "a\nc\n"),
        ('"""Asynchronous, awaited."""\n', '"""Asynchronous, awaited."""\n'),
    ],
)
def test_a_line_becomes_synchronous(asynchronous: str, expected: str) -> None:
    text = generate_sync.synchronous(asynchronous, "x.py", set())
    assert text == generate_sync.HEADER.format(source="x.py") + expected


def test_nothing_asynchronous_is_left() -> None:
    for path, text in generate_sync.generate().items():
        code = [line for line in text.splitlines() if not line.lstrip().startswith(("#", '"""'))]
        assert not [line for line in code if "await " in line or "async def" in line or "Async" in line], path


def test_a_substitution_that_nothing_uses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(generate_sync.SUBSTITUTIONS, r"\bno such word\b", "")
    with pytest.raises(SystemExit, match="no such word"):
        generate_sync.generate()


def test_a_stale_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(generate_sync, "HEADER", "# another header\n")
    assert generate_sync.main(["--check"]) == 1
    assert "client/_sync/client.py is not current" in capsys.readouterr().out


# --- Chroma's paths --------------------------------------------------------------------------------------------------
PATHS = sorted(generate_paths.PATHS)
#: Packages of which the re-exports are a part; what else stands in them is ours.
PACKAGES = ("api", "auth", "execution", "utils")


def module_at(path: str) -> Any:
    return importlib.import_module("chroma_nb." + path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))


def test_chroma_s_paths_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_paths.main(["--check"]) == 0, capsys.readouterr().err


def test_every_file_at_chroma_s_paths_is_in_the_table() -> None:
    package = generate_paths.PACKAGE
    found = {str(path.relative_to(package)) for name in PACKAGES for path in (package / name).rglob("*.py")}
    assert found | {"base_types.py"} == set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_offers_the_very_objects(path: str) -> None:
    module = module_at(path)
    for home, names in generate_paths.PATHS[path].items():
        for entry in names.split():
            here, there = generate_paths.here_and_there(entry)
            assert getattr(module, there) is getattr(importlib.import_module(f"chroma_nb.{home}"), here)
