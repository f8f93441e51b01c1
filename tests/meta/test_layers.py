"""Imports go downwards and never in a circle, also those inside functions and by string."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
from package_imports import PACKAGE, ROOT, cycles, imports, modules, upward

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
#: What looks like an import upwards and is none.
ALLOWED = {
    ("chroma_nb.cli", PACKAGE): "takes __version__, which stands in the package and needs nothing",
    ("chroma_nb.doctor", PACKAGE): "takes __version__, which stands in the package and needs nothing",
    ("chroma_nb.backends.http.auth", "chroma_nb.auth.basic_authn"): "names of classes in settings are compared",
    ("chroma_nb.backends.http.auth", "chroma_nb.auth.token_authn"): "names of classes in settings are compared",
}


def edges() -> set[tuple[str, str]]:
    texts = modules()
    return {(name, other) for name, text in texts.items() for other in imports(text, texts) if other != name}


EDGES = edges()
CHECKED = sorted(EDGES - ALLOWED.keys())


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_import_linter_sees_no_import_upwards() -> None:
    done = run(sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


LAYERS = [contract for contract in CONTRACTS if contract["type"] == "layers"]


@pytest.mark.parametrize("contract", LAYERS, ids=lambda contract: contract["id"])
def test_no_import_leads_upwards_also_inside_functions_and_by_string(contract: dict[str, list[str]]) -> None:
    (container,) = contract["containers"]
    assert upward(CHECKED, contract["layers"], container) == []


def test_no_modules_import_one_another() -> None:
    assert cycles(CHECKED) == []


def test_what_is_allowed_is_still_done() -> None:
    assert ALLOWED.keys() <= EDGES


def test_the_layers_name_every_module_and_no_other() -> None:
    named = {name.strip() for row in CONTRACTS[0]["layers"] for name in row.split("|")}
    package = ROOT / PACKAGE
    found = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert {name.strip("()") for name in named if not name.startswith("(")} <= found - {"__init__"}
    assert found - {"__init__"} <= {name.strip("()") for name in named}


# --- The check sees what it looks for ------------------------------------------------------------------------------
KNOWN = {PACKAGE, *(f"{PACKAGE}.{name}" for name in ("top", "top.part", "top.other", "low"))}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import chroma_nb.low", {"chroma_nb.low"}),
        ("from chroma_nb.low import thing", {"chroma_nb.low"}),
        ("from chroma_nb.top import part", {"chroma_nb.top.part"}),
        ("from chroma_nb import low", {"chroma_nb.low"}),
        ("from chroma_nb import Client", {"chroma_nb"}),
        ("def f():\n    import chroma_nb", {"chroma_nb"}),
        ("if TYPE_CHECKING:\n    import chroma_nb.low", set()),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import chroma_nb.low", {"chroma_nb.low"}),
        ("import_module('chroma_nb')", {"chroma_nb"}),
        ("TABLE = {'name': 'chroma_nb.low'}", {"chroma_nb.low"}),
        ("TABLE = {'name': 'chroma_nb.low:Class'}", {"chroma_nb.low"}),
        ("get_class('chroma_nb.low.Class')", {"chroma_nb.low"}),
        ("import_module(f'chroma_nb.top.{name}')", {"chroma_nb.top.part", "chroma_nb.top.other"}),
        ("'''chroma_nb.low'''", set()),
        ("say('chroma_nb.sqlite3', 'chroma_nb')", set()),
    ],
)
def test_every_kind_of_import_is_seen(source: str, found: set[str]) -> None:
    assert imports(source, KNOWN) == found


def test_imports_upwards_sideways_and_of_the_package_are_seen() -> None:
    downwards = [("chroma_nb.top.part", "chroma_nb.low"), ("chroma_nb.top", "chroma_nb.top.part")]
    wrong = [("chroma_nb.low", "chroma_nb"), ("chroma_nb.low", "chroma_nb.top"), ("chroma_nb.top", "chroma_nb.side")]
    assert upward([*downwards, *wrong], ["top | side", "low"], PACKAGE) == sorted(wrong)


def test_circles_are_seen() -> None:
    assert cycles([("a", "b"), ("b", "c"), ("c", "a"), ("a", "d")]) == [["a", "b", "c"]]
