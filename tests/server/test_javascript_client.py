"""Chroma's JavaScript client against our server, and against Chroma's: it hears the same.

The client is that of the folder named by ``JAVASCRIPT_CHROMADB`` (where ``npm install chromadb@3.5.0`` ran);
the long form installs it itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import chroma_nb

SCRIPT = Path(__file__).with_name("javascript_client.mjs")
PACKAGE = "chromadb@3.5.0"
VARIABLE = "JAVASCRIPT_CHROMADB"
TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="session", params=["at hand", pytest.param("from npm", marks=pytest.mark.long)])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder that holds node_modules/chromadb."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if request.param == "at hand":
        named = os.environ.get(VARIABLE)
        if named is None:
            pytest.skip(f"{VARIABLE} names no folder with Chroma's JavaScript client ({PACKAGE})")
        return named
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    made = tmp_path_factory.mktemp("javascript")
    command = ["npm", "install", "--prefix", str(made), "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        pytest.skip(f"npm did not install {PACKAGE}: {done.stderr[-300:]}")
    return str(made)


def conversation(folder: str, port: int, *token: str) -> dict[str, Any]:
    command = ["node", str(SCRIPT), folder, str(port), *token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    heard: dict[str, Any] = json.loads(done.stdout)
    return heard


def check(heard: dict[str, Any], *, forks: bool = True) -> None:
    assert heard["beats"]
    assert (heard["metadata"], heard["space"], heard["count"]) == ({"made": "in js"}, "cosine", 3)
    assert heard["all"] == [
        ["wren", "crow", "owl"],
        ["small and brown", "black", "large-eyed ünïcode"],
        [{"grams": 9, "wise": False}, {"grams": 500.5, "wise": True}, {"wise": True, "tags": ["night", "wood"]}],
        [[1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]],
        ["file:///wren", "file:///crow", "file:///owl"],
    ]
    assert heard["some"] == [["crow"], ["black"]]
    assert (heard["page"], heard["peek"]) == (["crow"], ["wren", "crow"])
    assert heard["found"] == [
        [["wren", "crow"], ["crow", "owl"]],
        [["small and brown", "black"], ["black", "large-eyed ünïcode"]],
    ]
    assert heard["distances"] == [[0.005, 0.9005], [0, 0.4]]
    assert heard["among"] == [["crow", "owl"]]
    assert heard["changed"] == {
        "crow": ["glossy black", {"grams": 450, "wise": True}],
        "wren": ["brown", {"grams": 9, "wise": False}],
        "gull": ["white", None],
    }
    assert heard["left"] == ["crow", "owl"]
    assert (heard["again"], heard["same"]) == ({"renamed": True}, True)
    assert (heard["names"], heard["collections"], heard["after"]) == (["js-fowl"], 1, 0)
    assert heard["errors"] == {
        "missing": "ChromaNotFoundError",
        "exists": "ChromaUniqueError",
        "name": "ChromaClientError",
        "dimension": "ChromaClientError",
        "fork": "ChromaUniqueError" if forks else "ChromaServerError",
    }
    assert heard["forked"] == ("no error" if forks else "ChromaServerError")
    assert (heard["databases"], heard["elsewhere"]) == (["js-aviary"], 0)


def test_chromas_javascript_client_works_unchanged(folder: str, tmp_path: Path) -> None:
    with chroma_nb.serve(tmp_path, port=0) as server:
        heard = conversation(folder, server.port)
    check(heard)
    assert heard["reset"] == "ChromaForbiddenError"


def test_it_works_with_a_token(folder: str, tmp_path: Path) -> None:
    with chroma_nb.serve(tmp_path, port=0, token=TOKEN) as server:
        check(conversation(folder, server.port, TOKEN))
        command = ["node", str(SCRIPT), folder, str(server.port), TOKEN[:-1]]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode != 0
    assert "Forbidden" in refused.stderr


def test_it_hears_the_same_from_chromas_server(folder: str, real_chroma: int) -> None:
    check(conversation(folder, real_chroma), forks=False)  # its cloud has them
