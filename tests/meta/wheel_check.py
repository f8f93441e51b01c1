"""The built package, installed as a stranger would: ``make wheel-check``. Not a test of pytest's: it takes minutes.

Builds the source distribution and from it the wheel, looks at what they hold, and for each Python that the classifiers
name and that is found here installs the wheel in an environment of its own, runs ``pip check``, one search, doctor and
tutorials. With ``--here`` for the Python that runs this only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

import chroma_nb

ROOT = Path(__file__).parents[2]
STEM = f"chroma_nb-{chroma_nb.__version__}"
CLASSIFIERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
VERSIONS = re.findall(r":: Python :: (\d+\.\d+)$", "\n".join(CLASSIFIERS), re.M)
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
SEARCH = """
import chroma_nb
collection = chroma_nb.EphemeralClient().create_collection("abc")
collection.add(ids=["a", "b"], documents=["a cat on a sofa", "bread in an oven"])
found = collection.query(query_texts=["a pet"], n_results=1)
assert found["ids"] == [["a"]], found
print("chroma_nb", chroma_nb.__version__, "searches")
"""


def find(version: str) -> str | None:
    """A Python of this version that runs: on the PATH (where pyenv's names may lead nowhere), or one of pyenv's."""
    if version == HERE:
        return sys.executable
    on_path = shutil.which(f"python{version}")
    of_pyenv = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"), reverse=True)
    for python in filter(None, [on_path, *map(str, of_pyenv)]):
        if subprocess.run([python, "--version"], capture_output=True).returncode == 0:
            return python
    return None


def in_git(*folders: str) -> set[str]:
    """The project's files in these folders, those not committed yet included."""
    command = ["git", "ls-files", "-zco", "--exclude-standard", *folders]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return set(filter(None, done.stdout.split("\0")))


def wheel_should_hold() -> set[str]:
    """The package, the tutorials with their data, the licences; nothing else."""
    tutorials = {f"chroma_nb/{name}" for name in in_git("notebooks/*.ipynb", "notebooks/data")}
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt"}
    about |= {f"licenses/{name}" for name in ("LICENSE", "notebooks/data/WORDNET-LICENSE.txt")}
    return in_git("chroma_nb") | tutorials | {f"{STEM}.dist-info/{name}" for name in about}


def check_contents(wheel: Path, sdist: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    assert held == wheel_should_hold(), f"wheel: {sorted(held ^ wheel_should_hold())}"
    with tarfile.open(sdist) as archive:
        held = {member.name.removeprefix(f"{STEM}/") for member in archive if member.isfile()}
    expected = {name for name in in_git() if not name.startswith((".github/", ".pre-commit"))} | {"PKG-INFO"}
    assert held == expected, f"source distribution: {sorted(held ^ expected)}"


def check(python: str, wheel: Path, directory: Path) -> None:
    subprocess.run([python, "-m", "venv", directory], check=True)
    inside = str(directory / "bin" / "python")
    subprocess.run([inside, "-m", "pip", "install", "-q", wheel], check=True)
    subprocess.run([inside, "-m", "pip", "check"], check=True)
    subprocess.run([inside, "-c", SEARCH], check=True, cwd=directory)
    subprocess.run([directory / "bin" / "chroma-nb", "doctor"], check=True, cwd=directory)
    subprocess.run([directory / "bin" / "chroma-nb", "tutorials", "copied"], check=True, cwd=directory)
    copied = {path.name for path in (directory / "copied").glob("*.ipynb")}
    assert copied == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}, copied


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        subprocess.run([sys.executable, "-m", "build", "--outdir", out, ROOT], check=True)
        (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
        check_contents(wheel, sdist)
        for version in [HERE] if sys.argv[1:] == ["--here"] else VERSIONS:
            python = find(version)
            print(f"--- Python {version}: {python or 'not found here, not checked'}", flush=True)
            if python is not None:
                check(python, wheel, out / version)


if __name__ == "__main__":
    main()
