"""Chroma's own tests through the drop-in: ``make test-chroma``. Not a test of pytest's: it takes minutes.

Makes a virtual environment below ``build/`` (the tests want a pytest before 9), copies ``chromadb/test`` out of the
wheel of chromadb 1.5.9, and runs it there with a home of its own: embedded, in memory and on disk. What is about
Chroma's own insides is left out, by the tables of ``chroma_internals.py``, which say why; everything else passes.
Arguments are handed to pytest, after which only what they name is run.

The same file is the plugin by which that pytest puts chroma_nb in chromadb's place: ``-p chroma_suite``.
"""

from __future__ import annotations

import fnmatch
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "chroma-suite"
PYTHON = BUILD / "environment" / "bin" / "python"
NEEDED = ("chromadb==1.5.9", "pytest<9", "pytest-asyncio", "pytest-timeout", "hypothesis", "psutil")
#: Where the copied tests are, and chromadb as it is installed; the plugin reads both.
TESTS_VARIABLE, WHEEL_VARIABLE = "CHROMA_SUITE_TESTS", "CHROMA_SUITE_WHEEL"


# --- The command ---------------------------------------------------------------------------------------------
def prepare() -> Path:
    """Make the environment once, and the copy each time; the folder of chromadb."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", PYTHON.parents[1]], check=True)
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, *NEEDED, "-e", ROOT], check=True)
    code = "import importlib.util as u; print(u.find_spec('chromadb').submodule_search_locations[0])"
    found = subprocess.run([PYTHON, "-c", code], check=True, capture_output=True, text=True, cwd=BUILD)
    chromadb = Path(found.stdout.strip())
    # Processes that the tests start take chroma_nb for chromadb, too.
    begin = f"import os; os.environ.get({TESTS_VARIABLE!r}) and __import__('chroma_suite')\n"
    (chromadb.parent / "chroma_suite.pth").write_text(begin, encoding="utf-8")
    tests = BUILD / "tests" / "chromadb"
    shutil.rmtree(tests, ignore_errors=True)
    shutil.copytree(chromadb / "test", tests / "test", ignore=shutil.ignore_patterns("__pycache__"))
    (tests / "__init__.py").touch()
    (tests.parent / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")  # or pytest finds our own settings
    return chromadb


def main(arguments: Sequence[str]) -> int:
    """Run the tests; pytest's exit status."""
    chromadb = prepare()
    home = BUILD / "home"
    home.mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(HERE),
        TESTS_VARIABLE: str(BUILD / "tests"),
        WHEEL_VARIABLE: str(chromadb),
        "CHROMA_RUST_BINDINGS_TEST_ONLY": "1",  # no servers of Chroma's
        "CHROMA_NB_PROGRESS": "0",
    }
    command = [PYTHON, "-m", "pytest", "-p", "chroma_suite", "-p", "no:cacheprovider", "-q", "--import-mode=importlib"]
    options = ["--timeout", "1800", "--hypothesis-seed", "0"]
    chosen = arguments or ["chromadb/test"]
    done = subprocess.run(
        [*command, *options, *chosen],
        cwd=BUILD / "tests",
        env=environment,
        check=False,
    )
    return done.returncode


# --- The plugin ----------------------------------------------------------------------------------------------
class _Tests(importlib.abc.MetaPathFinder):
    """Finds chromadb's tests in the copy, and what they take to call async clients in chromadb itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """How such a module is loaded; None for any other."""
        if fullname == "chromadb.utils.async_to_sync":
            source = Path(os.environ[WHEEL_VARIABLE]) / "utils" / "async_to_sync.py"
            return importlib.util.spec_from_file_location(fullname, source)
        if fullname != "chromadb.test" and not fullname.startswith("chromadb.test."):
            return None
        folder = Path(os.environ[TESTS_VARIABLE]).joinpath(*fullname.split(".")[:-1])
        return importlib.machinery.PathFinder.find_spec(fullname, [str(folder)])


def _take_chromadbs_place() -> None:
    """Before anything is imported by a test, or by what all of them share."""
    from chroma_nb.drop_in import install_as_chromadb

    install_as_chromadb(children=True)
    sys.meta_path.insert(0, _Tests())
    importlib.import_module("chromadb.test")
    from chroma_internals import PASSED_OVER

    for module, functions in PASSED_OVER.items():
        for name in functions:
            getattr(importlib.import_module(module), name)  # it is there
            setattr(importlib.import_module(module), name, lambda *given, **named: None)


def pytest_ignore_collect(collection_path: Path, config: Any) -> bool | None:
    """Leave out the files that are internal as a whole: many cannot be imported."""
    from chroma_internals import FILES

    inside = collection_path.as_posix().rpartition("chromadb/test/")[2]
    return True if any(fnmatch.fnmatch(inside, pattern) for pattern in FILES) else None


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Leave out the tests that are internal; where all are run, a row that names none is an error."""
    from chroma_internals import TESTS

    rows = {f"{file}::{test}" for file, tests in TESTS.items() for test in tests}
    named = {item.nodeid.rpartition("chromadb/test/")[2].partition("[")[0]: item.nodeid for item in items}
    items[:] = [item for item in items if item.nodeid.rpartition("chromadb/test/")[2].partition("[")[0] not in rows]
    unused = rows - named.keys()
    if unused and [Path(one).name for one in config.args] == ["test"]:
        raise AssertionError(f"rows of chroma_internals.py that name no test: {sorted(unused)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
elif TESTS_VARIABLE in os.environ:
    _take_chromadbs_place()
