"""The built package, installed as a stranger would: ``make wheel-check``. Not a test of pytest's: it takes minutes.

Builds the source distribution and from it the wheel, looks at what they hold, and for each Python that the classifiers
name and that is found here installs the wheel in an environment of its own, with no compiler on the PATH. There it runs
``pip check`` and, with an empty HOME and no network, the ten lines of the README, doctor and tutorials. What it took
and what is large is printed. A second environment holds what a server needs. With ``--here`` for the Python that runs
this only; with ``3.12 3.14`` for these.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

import chroma_nb
from chroma_nb.doctor import NEEDED

ROOT = Path(__file__).parents[2]
STEM = f"chroma_nb-{chroma_nb.__version__}"
CLASSIFIERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
VERSIONS = re.findall(r":: Python :: (\d+\.\d+)$", "\n".join(CLASSIFIERS), re.M)
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
#: The README's first program: a collection made, filled and asked.
TEN_LINES = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
ANSWER = "Sourdough needs a day to rise.\n"
#: Run before a program that must not ask the network.
OFFLINE = """
import socket
def refused(*given, **more):
    raise AssertionError(f"the network was asked: {given}")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refused
"""
SERVED = """
import chroma_nb, sys
assert "pandas" not in sys.modules
with chroma_nb.serve("served", port=0) as server:
    host, port = server.url.removeprefix("http://").split(":")
    notes = chroma_nb.HttpClient(host=host, port=int(port)).create_collection("notes", embedding_function=None)
    notes.add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]], documents=["cat", "dog"], metadatas=[{"n": 1}] * 2)
    found = notes.query(query_embeddings=[[0.0, 2.0]], n_results=1, where={"n": 1}, where_document={"$regex": "d.g"})
    assert found["ids"] == [["b"]], found
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
    expected = {name for name in in_git() if not name.startswith((".github/", ".pre-commit", ".readthedocs"))} | {
        "PKG-INFO"
    }
    assert held == expected, f"source distribution: {sorted(held ^ expected)}"


def environment(python: str, directory: Path, *install: str | Path) -> tuple[str, dict[str, str]]:
    """A fresh environment with these packages, made without a compiler: its Python, and a HOME and PATH for it."""
    subprocess.run([python, "-m", "venv", directory], check=True)
    inside, home = str(directory / "bin" / "python"), directory / "home"
    home.mkdir()
    bare = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    bare["PATH"] = str(directory / "bin")
    begun = taken()
    for what in install:
        subprocess.run([inside, "-m", "pip", "install", "-q", *what], check=True, env=bare)
    print(f"installed in {since(begun)}; {size(directory) / 1e6:.0f} MB: {heaviest(directory)}", flush=True)
    return inside, {**bare, "HOME": str(home)}


def taken() -> tuple[float, float]:
    """The time now, and the processor time of all that was run so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic(), used.ru_utime + used.ru_stime


def since(begun: tuple[float, float]) -> str:
    """What was taken since then, in words."""
    wall, processor = (now - then for now, then in zip(taken(), begun, strict=True))
    return f"{wall:.1f} s, of which {processor:.1f} s of a processor"


def size(path: Path) -> int:
    """The bytes of all files below."""
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def heaviest(directory: Path) -> str:
    """The packages that take most room."""
    (packages,) = directory.glob("lib/python*/site-packages")
    sizes = sorted(((size(package), package.name) for package in packages.iterdir() if package.is_dir()), reverse=True)
    return ", ".join(f"{name} {bytes_ / 1e6:.0f}" for bytes_, name in sizes[:10])


def check(python: str, wheel: Path, directory: Path) -> None:
    inside, bare = environment(python, directory, [wheel])
    subprocess.run([inside, "-m", "pip", "check"], check=True)
    begun = taken()
    asked = [inside, "-c", OFFLINE + TEN_LINES]
    answer = subprocess.run(asked, check=True, cwd=directory, env=bare, stdout=subprocess.PIPE, text=True).stdout
    assert answer == ANSWER, answer
    print(f"the README's ten lines: {since(begun)}", flush=True)
    subprocess.run([directory / "bin" / "chroma-nb", "doctor"], check=True, cwd=directory, env=bare)
    subprocess.run([directory / "bin" / "chroma-nb", "tutorials", "copied"], check=True, cwd=directory, env=bare)
    copied = {path.name for path in (directory / "copied").glob("*.ipynb")}
    assert copied == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}, copied


def check_server(python: str, wheel: Path, directory: Path) -> None:
    """What docs/how-to/install.md says of a server: the same wheel, and a part of what it needs."""
    needed = [*NEEDED["engine"], *NEEDED["server and its clients"]]
    inside, bare = environment(python, directory, needed, ["--no-deps", wheel])
    subprocess.run([inside, "-c", SERVED], check=True, cwd=directory, env=bare)
    subprocess.run([directory / "bin" / "chroma-nb", "doctor"], check=True, cwd=directory, env=bare)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        subprocess.run([sys.executable, "-m", "build", "--outdir", out, ROOT], check=True)
        (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
        check_contents(wheel, sdist)
        for version in [HERE] if sys.argv[1:] == ["--here"] else sys.argv[1:] or VERSIONS:
            python = find(version)
            print(f"--- Python {version}: {python or 'not found here, not checked'}", flush=True)
            if python is not None:
                check(python, wheel, out / version)
                check_server(python, wheel, out / f"{version}-server")


if __name__ == "__main__":
    main()
