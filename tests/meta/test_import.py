"""What `import chroma_nb` and a first use load: measured in new processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: Everything outside the standard library that the import may load.
ALLOWED = {"chroma_nb"}
#: What only the parts that need it may load.
HEAVY = {"pandas", "ipywidgets", "anywidget", "plotly", "IPython", "umap", "sklearn", "numba", "tqdm", "onnxruntime"}
HEAVY |= {"tokenizers", "PIL", "httpx", "starlette", "uvicorn", "asyncio", "pyarrow", "polars"}

LIST = """
import sys
before = set(sys.modules)
CODE
print(" ".join({name.split(".")[0] for name in set(sys.modules) - before}))
"""


def loaded_by(code: str) -> set[str]:
    """The top-level modules that ``code`` loads in a new interpreter that starts bare."""
    done = subprocess.run(
        [sys.executable, "-c", LIST.replace("CODE", code)], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_loads_nothing_but_itself_and_the_standard_library() -> None:
    assert loaded_by("import chroma_nb") - set(sys.stdlib_module_names) == ALLOWED


def test_import_starts_no_event_loop_and_no_network() -> None:
    assert not loaded_by("import chroma_nb") & {"asyncio", "socket", "ssl", "http", "multiprocessing"}


USE = """
import chroma_nb
collection = chroma_nb.EphemeralClient().create_collection('abc', embedding_function=None)
collection.add(ids=['a'], embeddings=[[1.0, 2.0]], documents=['x'], metadatas=[{'n': 1}])
collection.query(query_embeddings=[[1.0, 2.0]], where={'n': 1}, where_document={'$contains': 'x'})
collection.get()
collection.delete(['a'])
"""


def test_a_local_client_loads_nothing_of_the_notebook_the_model_or_the_network() -> None:
    assert not loaded_by(USE) & HEAVY


def test_windows_itself_is_refused_in_one_sentence() -> None:
    code = "import sys; sys.platform = 'win32'; import chroma_nb"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: chroma_nb runs on Linux, macOS and WSL. It does not run on Windows itself: install it in WSL."
    )


def test_import_writes_nothing_and_reads_no_env_file(tmp_path: Path) -> None:
    code = "import chroma_nb, os; chroma_nb.Settings(); print(os.listdir('.'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
