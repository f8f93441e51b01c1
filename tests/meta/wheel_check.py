"""The built package, installed as a stranger would: ``make wheel-check``. Not a test of pytest's: it takes minutes.

Builds the source distribution and the wheel, looks at what the wheel holds, and for each Python from 3.11 to 3.13 found
here installs it in an environment of its own, runs ``pip check`` and one search.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13")
SEARCH = """
import chroma_nb
collection = chroma_nb.EphemeralClient().create_collection("abc")
collection.add(ids=["a", "b"], documents=["a cat on a sofa", "bread in an oven"])
found = collection.query(query_texts=["a pet"], n_results=1)
assert found["ids"] == [["a"]], found
print("chroma_nb", chroma_nb.__version__, "searches")
"""


def strangers(wheel: Path) -> list[str]:
    """What the wheel holds beside the package and its description."""
    names = zipfile.ZipFile(wheel).namelist()
    return [name for name in names if not name.startswith(("chroma_nb/", "chroma_nb-"))]


def check(python: str, wheel: Path, directory: Path) -> None:
    subprocess.run([python, "-m", "venv", directory], check=True)
    inside = str(directory / "bin" / "python")
    subprocess.run([inside, "-m", "pip", "install", "-q", wheel], check=True)
    subprocess.run([inside, "-m", "pip", "check"], check=True)
    subprocess.run([inside, "-c", SEARCH], check=True, cwd=directory)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        subprocess.run([sys.executable, "-m", "build", "--outdir", out, ROOT], check=True)
        (wheel,) = out.glob("*.whl")
        assert strangers(wheel) == [], strangers(wheel)
        assert "chroma_nb/py.typed" in zipfile.ZipFile(wheel).namelist()
        for version in VERSIONS:
            python = shutil.which(f"python{version}")
            if python is None:
                print(f"python{version}: not found here, not checked")
                continue
            check(python, wheel, out / version)


if __name__ == "__main__":
    main()
