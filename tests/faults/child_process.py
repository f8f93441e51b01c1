"""Other processes: a script run beside the test, and what it says."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import chroma_nb

#: Where the package under test and the tests' own modules are imported from.
PATHS = (str(Path(chroma_nb.__file__).parents[1]), str(Path(__file__).parents[1]), str(Path(__file__).parent))

PRELUDE = """
import os, sys
from pathlib import Path
from uuid import UUID
from engine_samples import *
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
"""


def start(script: str, *arguments: Any, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start ``script`` (after PRELUDE) in a Python of its own; ``arguments`` are its sys.argv[1:]."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", PRELUDE + textwrap.dedent(script), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def finish(process: subprocess.Popen[str], timeout: float = 60) -> str:
    """What the process printed; it must have ended well."""
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(f"still running after {timeout} s:\n{output}\n{errors}") from None
    assert process.returncode == 0, f"exit code {process.returncode}:\n{output}\n{errors}"
    return output.strip()


def run(script: str, *arguments: Any, timeout: float = 60, prefix: tuple[str, ...] = ()) -> str:
    """Run ``script`` to its end."""
    return finish(start(script, *arguments, prefix=prefix), timeout)
