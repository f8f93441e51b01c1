"""What the guides say is what happens: their Python runs, block after block, in an empty directory."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import chroma_nb
from chroma_nb.embedding_functions.registry import known_embedding_functions, sparse_known_embedding_functions

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*HOW_TO.glob("*.md"), ROOT / "docs/quickstart.md", *REFERENCE.glob("*.md")])
#: Pages of commands or prose, which have no Python to run.
WITHOUT_PYTHON: set[str] = {"collection", "command-line", "maps", "results", "run-a-server", "types"}
#: Pages that need packages beside ours, which import chromadb, and so a process of their own.
WITH_PACKAGES = {"langchain-llamaindex": {"langchain-chroma", "llama-index-vector-stores-chroma"}}
COLUMNS = 84


def blocks(page: Path) -> list[str]:
    """The blocks that a reader pastes into cells, in order. Those marked ``py`` need more than a notebook."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def promised(block: str) -> list[tuple[str, Any]]:
    """Expressions whose line ends in a comment that is their value: ``notes.count()  # 3``."""
    found = []
    for line in block.splitlines():
        code, _, comment = line.rpartition("  # ")
        try:
            compile(code, "", "eval")
            found.append((code, ast.literal_eval(comment)))
        except (SyntaxError, ValueError):
            pass
    return found


def held(block: str) -> str:
    """The block, with an assertion for each value that its comments promise."""
    for code, value in promised(block):
        block = block.replace(f"{code}  # ", f"assert ({code}) == {value!r}  # ", 1)
    return block


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """An empty notebook in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-of-the-user"))
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "0")
    for known in (known_embedding_functions, sparse_known_embedding_functions):  # a class of a page goes with the page
        monkeypatch.setattr(known, "_classes", dict(known._classes))
    shell = InteractiveShell(user_ns={"__name__": "__main__"})
    yield shell
    for value in list(shell.user_ns.values()):
        if isinstance(value, chroma_nb.ClientAPI | chroma_nb.AdminAPI):
            value.close()
    shell.reset(new_session=False)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.stem not in WITHOUT_PYTHON and page.stem not in WITH_PACKAGES],
    ids=lambda page: page.stem,
)
def test_the_python_of_a_guide_runs(page: Path, shell: InteractiveShell) -> None:
    assert blocks(page)
    for block in blocks(page):
        shell.run_cell(held(block)).raise_error()


@pytest.mark.parametrize("name", WITH_PACKAGES)
def test_the_python_of_a_guide_to_other_packages_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing := WITH_PACKAGES[name] - {package.name for package in distributions()}:
        pytest.skip(f"not installed: pip install {' '.join(sorted(missing))}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    program = tmp_path / "page.py"
    program.write_text("\n".join(map(held, blocks(HOW_TO / f"{name}.md"))), "utf-8")
    done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_guide_fits_the_page(page: Path) -> None:
    code = re.findall(r"^```\w+\n(.*?)^```", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert [line for block in code for line in block.splitlines() if len(line) > COLUMNS] == []


def test_a_value_in_a_comment_is_a_promise() -> None:
    assert promised("notes.count()  # 3\nnotes.count()  # three\nx = 1  # 1") == [("notes.count()", 3)]


def test_the_messages_that_the_guide_explains_are_the_ones_that_appear(tmp_path: Path) -> None:
    said = []
    with chroma_nb.PersistentClient(str(tmp_path)) as client:
        notes = client.create_collection("notes", embedding_function=None)
        notes.add(ids=["1"], embeddings=[[0.0] * 384])
        for wrong in (
            lambda: client.get_collection("absent"),
            lambda: client.create_collection("notes"),
            lambda: notes.query(query_embeddings=[[1.0, 2.0]]),
            lambda: notes.add(ids=["2"], embeddings=[[0.0] * 384], metadatas=[{"a": {"b": 1}}]),
        ):
            with pytest.raises((ValueError, chroma_nb.errors.ChromaError)) as caught:
                wrong()
            said.append(str(caught.value).replace("absent", "notes"))
    guide = (HOW_TO / "troubleshooting.md").read_text()
    quoted = [one.strip("… ") for one in re.findall(r"^\| `([^`]+)`", guide, flags=re.MULTILINE)][:4]
    for message in said:
        assert any(quote in message for quote in quoted), message
