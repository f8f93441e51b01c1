"""What `make lab` and `make test` do, for where there is no make: `python .ci/make.py lab`, `python .ci/make.py test`.

The Makefile calls it. It needs a Python of the version that pyproject.toml asks for, and nothing else: the virtual
environment (VENV in the environment, by default .venv) is made and filled by it, and filled again only when
pyproject.toml has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / os.environ.get("VENV", ".venv")
BIN = VENV / "bin"
PYTHON = BIN / "python"
LOG = VENV / "pip.log"

#: Purpose of an environment -> what it needs besides, and what pip is given.
PURPOSES: dict[str, tuple[str | None, list[str], str]] = {
    "lab": (None, ["-e", ".[large,lab]"], "chroma_nb and JupyterLab"),
    "test": ("lab", ["--group", "test"], "what the tests need"),
    "docs": ("lab", ["--group", "docs"], "what the documentation needs"),
    "bench": ("lab", ["--group", "bench"], "the databases to compare with"),
}
LINT = [
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy"],
    ["lint-imports", "--no-cache"],
    ["python", "tests/meta/generate_sync.py", "--check"],
]
NBVAL = [
    "--nbval",
    "--nbval-current-env",
    "--nbval-sanitize-with",
    "notebooks/sanitize.cfg",
    "--nbval-cell-timeout=120",
]


# --- Progress of pip ------------------------------------------------------------------------------------------
class Progress:
    """How far pip is, in one line that changes; where nobody watches, a line from time to time."""

    def __init__(self, out: TextIO, *, seconds: float | None = None) -> None:
        """``seconds``: how long a line stays before the next (default: 0.5 on a terminal, else 20)."""
        self._out, self._live = out, out.isatty()
        self._seconds = seconds if seconds is not None else 0.5 if self._live else 20.0
        self._begun = time.monotonic()
        self._step, self._found, self._total, self._before = "starting", 0, 0, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._over.set()
        self._thread.join()
        if self._live:
            self._out.write("\r\x1b[K")
        self._out.flush()

    def read(self, line: str) -> None:
        """Take one line of what pip says."""
        line = line.strip()
        if collected := re.match(r"(?:Collecting|Building wheel for) ([\w.-]+)", line):
            self._found += line.startswith("Collecting")
            doing = "building" if line.startswith("Building") else "looking up"
            self._step = f"{doing} {collected[1]}"
        elif fetched := re.match(r"Downloading (?:\S*/)?([\w.]+)-\S+ \(([^)]*)\)", line):
            self._step = f"downloading {fetched[1]} ({fetched[2]})"
        elif names := re.match(r"Installing collected packages: (.*)", line):
            self._before, self._total = installed(), len(names[1].split(","))

    def line(self) -> str:
        """What it says now."""
        minutes, seconds = divmod(int(time.monotonic() - self._begun), 60)
        if self._total:
            step = f"unpacking: {min(installed() - self._before, self._total)} of {self._total} packages"
        else:
            step = f"{self._found} packages so far, {self._step}" if self._found else self._step
        return f"  {minutes}:{seconds:02} {step}"

    def _tick(self) -> None:
        while not self._over.wait(self._seconds):
            self._out.write(f"\r\x1b[K{self.line()}" if self._live else f"{self.line()}\n")
            self._out.flush()


def installed() -> int:
    """How many packages are in the environment."""
    return sum(1 for _ in VENV.glob("lib/python*/site-packages/*.dist-info"))


def run_shown(command: Sequence[str | Path], out: TextIO) -> int:
    """Run pip, showing how far it is; what it says is kept in LOG, and its end shown when it fails."""
    last: deque[str] = deque(maxlen=12)
    pip = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert pip.stdout is not None
    with LOG.open("a", encoding="utf-8") as log, pip, Progress(out) as progress:
        for line in pip.stdout:
            log.write(line)
            last.append(line)
            progress.read(line)
    if pip.returncode:
        out.write("".join(last) + f"everything that pip said is in {LOG}\n")
    return pip.returncode


# --- The environment ------------------------------------------------------------------------------------------
def refusal(version: tuple[int, int], project: str) -> str | None:
    """Why the project cannot be used with a Python of this version; None when it can."""
    least = re.search(r'^requires-python = ">=(\d+)\.(\d+)"', project, re.M)
    assert least is not None, "pyproject.toml says in another form which Python it requires"
    if version >= (int(least[1]), int(least[2])):
        return None
    return (
        f"chroma_nb needs Python {least[1]}.{least[2]} or newer, this is {version[0]}.{version[1]}; name another one: "
        f"make PYTHON=python{least[1]}.{least[2]}, or python{least[1]}.{least[2]} .ci/make.py"
    )


def ready(purpose: str, out: TextIO) -> None:
    """Make the environment ready for a purpose of PURPOSES; nothing is done when it is. SystemExit when pip fails."""
    needs, what, said = PURPOSES[purpose]
    if needs is not None:
        ready(needs, out)
    stamp, state = VENV / f".ready-{purpose}", hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == state:
        return
    make_environment(out)
    out.write(f"installing {said}{': some minutes, once' if needs is None else ''}\n")
    if run_shown(pip_install(*what), out):
        raise SystemExit(1)
    if purpose == "lab":
        install_hnswlib(out)
    stamp.write_text(state)


def make_environment(out: TextIO) -> None:
    """A virtual environment with a pip that knows dependency groups."""
    if PYTHON.is_file() and subprocess.run([PYTHON, "-c", ""], capture_output=True).returncode == 0:
        return
    out.write(f"making a virtual environment in {VENV}\n")
    out.flush()
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    if run_shown(pip_install("--upgrade", "pip>=25.1"), out):
        raise SystemExit(1)


def install_hnswlib(out: TextIO) -> None:
    """It has no wheels: where it cannot be compiled, everything else is installed, and every search is exact."""
    with (VENV / "hnswlib.log").open("w", encoding="utf-8") as log:
        if subprocess.run(pip_install("-e", ".[hnsw]"), cwd=ROOT, stdout=log, stderr=log).returncode == 0:
            return
    out.write(
        "hnswlib was not built (it needs a C++ compiler), and is not needed: searches are exact. It would make single "
        f"queries of more than 100,000 records faster: {BIN}/pip install hnswlib (what was said is in {log.name})\n"
    )


def pip_install(*what: str) -> list[str | Path]:
    """The command that installs this."""
    return [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off", *what]


# --- The commands ---------------------------------------------------------------------------------------------
def lab() -> int:
    """Open JupyterLab on the first tutorial."""
    ready("lab", sys.stdout)
    sys.stdout.flush()
    root = ["--allow-root"] if os.geteuid() == 0 else []
    surroundings = {name: value for name, value in os.environ.items() if name != "CHROMA_NB_PROGRESS"}
    command = ["jupyter", "lab", *root, "notebooks/01_quickstart.ipynb"]
    os.chdir(ROOT)
    os.execve(BIN / "jupyter", command, surroundings)


def lint() -> int:
    """Look at style, types, layers, and that the sync client is the async one."""
    ready("test", sys.stdout)
    return run(*LINT)


def check() -> int:
    """Lint, then run all tests and the tutorials; pytest's closing line closes the run."""
    workers = os.environ.get("WORKERS", "2")
    tests = ["python", "-m", "pytest", "-q", "-n", workers, "--dist", "loadfile", "--max-worker-restart", "0"]
    return lint() or run([*tests, *NBVAL, "tests", "chroma_nb", "notebooks"])


COMMANDS = {"lab": lab, "test": check, "check": check, "lint": lint}


def run(*commands: Sequence[str]) -> int:
    """Run programs of the environment one after the other, saying which; the status of the first that fails."""
    surroundings = {"CHROMA_NB_PROGRESS": "0", **os.environ}
    for program, *arguments in commands:
        print(BIN / program, *arguments, flush=True)
        done = subprocess.run([BIN / program, *arguments], cwd=ROOT, env=surroundings)
        if done.returncode:
            return done.returncode
    return 0


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python .ci/make.py", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__)
    purposes = commands.add_parser("ready", help="make the environment ready for a purpose")
    purposes.add_argument("purpose", choices=PURPOSES)
    chosen = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if (why := refusal(sys.version_info[:2], (ROOT / "pyproject.toml").read_text(encoding="utf-8"))) is not None:
        print(why, file=sys.stderr)
        return 1
    if chosen.command == "ready":
        ready(chosen.purpose, sys.stdout)
        return 0
    return COMMANDS[chosen.command]()


if __name__ == "__main__":
    sys.exit(main())
