"""Imports go downwards, and the synchronous client is the asynchronous one."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_every_module_imports_downwards_only() -> None:
    done = run(sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_layers_name_every_module_and_no_other() -> None:
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name.strip() for row in layers for name in row.split("|")}
    modules = {
        path.stem for path in (ROOT / "chroma_nb").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert {name.strip("()") for name in named if not name.startswith("(")} <= modules - {"__init__"}
    assert modules - {"__init__"} <= {name.strip("()") for name in named}


def test_the_sync_client_is_generated_and_current() -> None:
    done = run(sys.executable, "-m", "chroma_nb.client._generate_sync", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
