"""``python -m chroma_nb.run script.py …``: run a program with chroma_nb in chromadb's place, in its children too.

``python -m chroma_nb.run -m package …`` runs a module, as ``python -m`` does.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from chroma_nb.drop_in import install_as_chromadb

_USAGE = "usage: python -m chroma_nb.run (SCRIPT | -m MODULE) [ARGUMENT ...]"


def main(arguments: Sequence[str]) -> int:
    """Run the program that ``arguments`` name; it sees its own arguments in ``sys.argv``. The exit status."""
    if not arguments or arguments[0] in ("-h", "--help") or list(arguments) == ["-m"]:
        sys.stderr.write(f"{_USAGE}\n{__doc__}")
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    install_as_chromadb(children=True)
    if arguments[0] == "-m":
        sys.argv = [arguments[1], *arguments[2:]]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    script = arguments[0]
    if not os.path.exists(script):
        sys.stderr.write(f"expected the path of a program, got {script!r}, which does not exist\n{_USAGE}\n")
        return 2
    sys.argv = list(arguments)
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
