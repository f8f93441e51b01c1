"""%chroma dropin: a cell, and ``import chromadb`` is ours; taken back; refused where the real one is in use."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
from IPython.core.error import UsageError

import chroma_nb

PACKAGE_ROOT = Path(__file__).parents[2]


def notebook(*cells, folder=None):
    """What the cells print, in a kernel's shell of a fresh process: this one may have chromadb itself in use."""
    code = f"""
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config
        shell = InteractiveShell(config=Config({{"HistoryManager": {{"enabled": False}}}}))
        shell.run_line_magic("load_ext", "chroma_nb")
        for cell in {cells!r}:
            shell.run_cell(cell).raise_error()
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), "IPYTHONDIR": str(folder / "ipython")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_after_dropin_import_chromadb_is_ours_until_it_is_undone(tmp_path):
    (tmp_path / "chromadb.py").write_text("__version__ = 'the real one'\n")
    said = notebook(
        "%chroma dropin",
        "import chromadb; print(chromadb.__version__, chromadb.PersistentClient.__module__)",
        "%chroma dropin --undo",
        "import chromadb; print(chromadb.__version__)",
        folder=tmp_path,
    )
    assert said == [
        "import chromadb now imports chroma_nb. Undo: %chroma dropin --undo",
        "1.5.9 chroma_nb.client.factory",
        "import chromadb finds the real package again.",
        "the real one",
    ]


def test_processes_that_the_kernel_starts_get_it_when_asked(tmp_path):
    said = notebook(
        "%chroma dropin --children",
        "import subprocess, sys",
        "code = 'import chromadb; print(chromadb.Client.__module__)'",
        "print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip())",
        folder=tmp_path,
    )
    assert said[-1] == "chroma_nb.client.factory"


def test_with_the_real_chromadb_in_use_it_is_refused_in_words_and_undoing_leaves_it_alone(shell, monkeypatch):
    real = ModuleType("chromadb")
    real.__version__ = "1.2.3"
    monkeypatch.setitem(sys.modules, "chromadb", real)
    finders = list(sys.meta_path)
    with pytest.raises(UsageError, match=r"chromadb \(1\.2\.3, .* Restart \(in a notebook: the kernel\)"):
        shell.run_line_magic("chroma", "dropin")
    shell.run_line_magic("chroma", "dropin --undo")
    assert sys.modules["chromadb"] is real
    assert sys.meta_path == finders


def test_undo_takes_everything_back_so_children_beside_it_is_a_mistake(shell, monkeypatch):
    monkeypatch.setattr(chroma_nb, "uninstall_as_chromadb", lambda: pytest.fail("nothing is done"))
    with pytest.raises(UsageError, match="use it without other options"):
        shell.run_line_magic("chroma", "dropin --undo --children")
