"""What the guides say is what happens: their Python runs, block after block, in an empty directory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import chroma_nb

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
#: Pages that need nothing but this package, and which page's directory they begin with.
BEGINS_WITH = {
    "ask-without-fetching": None,
    "persist": None,
    "many-kernels": None,
    "memory-and-size": None,
    "backup": "persist",
    "fork": None,
    "find-by-meaning-and-by-words": None,
}


def run(page: str) -> None:
    """All blocks of the page, in one namespace, as if they were the cells of a notebook."""
    blocks = re.findall(r"^```python\n(.*?)^```", (HOW_TO / f"{page}.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    assert blocks
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, f"{page}.md", "exec"), namespace)  # our own documentation
    if (client := namespace.get("client")) is not None:
        client.close()


@pytest.mark.parametrize("page", BEGINS_WITH)
def test_the_python_of_a_guide_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    before = BEGINS_WITH[page]
    if before is not None:
        run(before)
    run(page)


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
    guide = (HOW_TO / "troubleshoot.md").read_text()
    quoted = [one.strip("… ") for one in re.findall(r"^\| `([^`]+)`", guide, flags=re.MULTILINE)][:4]
    for message in said:
        assert any(quote in message for quote in quoted), message
