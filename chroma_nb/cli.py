"""The command line: ``chroma-nb COMMAND …``, also ``python -m chroma_nb COMMAND …``.

A command is a row of COMMANDS: what it is for, its arguments, what it runs.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chroma_nb import __version__
from chroma_nb.errors import ChromaError


@dataclass(frozen=True)
class Command:
    """One sub-command; ``run`` returns the exit status."""

    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


# --- serve ---------------------------------------------------------------------------------------------------
_TOKEN_VARIABLE = "CHROMA_NB_TOKEN"  # noqa: S105  # a name, not a token


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--path", default="./chroma", help="the directory to serve; made if it is not there")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; others than loopback need a token")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one")
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--token", help=f"what clients must send; better in {_TOKEN_VARIABLE} or a file: ps shows this")
    token.add_argument("--token-file", type=Path, help="a file whose first line is the token")
    parser.add_argument(
        "--allowed-host", action="append", default=[], help="a further name that the Host header may give; repeatable"
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        help="web pages of this origin (http://localhost:3000) may ask; none may unless told; repeatable",
    )
    parser.add_argument("--allow-reset", action="store_true", help="let clients delete everything with reset()")
    parser.add_argument("--max-body-mb", type=int, default=256, help="largest body of a request, in megabytes")
    parser.add_argument("--quiet", action="store_true", help="log no requests")


def _serve(arguments: argparse.Namespace) -> int:
    from chroma_nb.server.limits import Limits
    from chroma_nb.server.serving import run

    logging.basicConfig(level=logging.WARNING if arguments.quiet else logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        run(
            arguments.path,
            host=arguments.host,
            port=arguments.port,
            token=_token(arguments),
            allowed_hosts=tuple(arguments.allowed_host),
            allowed_origins=tuple(arguments.allow_origin),
            allow_reset=arguments.allow_reset,
            limits=Limits(body_bytes=arguments.max_body_mb * 1024 * 1024),
            started=lambda url: print(f"serving {arguments.path} at {url} (Ctrl-C stops)", flush=True),
        )
    except KeyboardInterrupt:
        print("stopped")
    return 0


def _token(arguments: argparse.Namespace) -> str | None:
    if arguments.token_file is not None:
        lines = arguments.token_file.read_text(encoding="utf-8").splitlines()
        return lines[0].strip() if lines else ""
    return arguments.token or os.environ.get(_TOKEN_VARIABLE)


# --- import, export ------------------------------------------------------------------------------------------
def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="a directory that Chroma wrote; it is only read")
    parser.add_argument("target", metavar="DST", help="the directory for chroma_nb; made if it is not there")
    parser.add_argument("--replace", action="store_true", help="put what DST holds already aside and import anew")
    parser.add_argument(
        "--reembed",
        action="store_true",
        help="embed records whose vector is lost from their documents, by the function that their collection stores",
    )


def _import(arguments: argparse.Namespace) -> int:
    from chroma_nb.backends.chroma_import import import_chroma

    report = import_chroma(arguments.source, arguments.target, replace=arguments.replace, reembed=arguments.reembed)
    print(report)
    return 0


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="a directory of chroma_nb")
    parser.add_argument("target", metavar="DST", help="the directory for Chroma; chromadb writes it")


def _export(arguments: argparse.Namespace) -> int:
    from chroma_nb.client.chroma_export import export_chroma
    from chroma_nb.client.factory import PersistentClient

    if not Path(arguments.source).is_dir():
        raise ValueError(f"expected a directory of chroma_nb, got {arguments.source!r}, which is not there")
    with PersistentClient(arguments.source) as client:
        print(export_chroma(client, arguments.target))
    return 0


# --- doctor, tutorials ---------------------------------------------------------------------------------------
def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", default=".", help="the directory that shall hold, or holds, collections")


def _doctor(arguments: argparse.Namespace) -> int:
    from chroma_nb import doctor

    directory = Path(arguments.path)
    if not directory.is_dir():
        raise ValueError(f"expected a directory, got {arguments.path!r}, which is not one")
    print(doctor.title())
    failed = False
    for name, finding in doctor.findings(directory):
        print(*doctor.lines(name, finding), sep="\n", flush=True)
        failed |= finding.verdict is doctor.Verdict.FAIL
    return int(failed)


def _tutorials_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="where to; made if it is not there")


def _tutorials(arguments: argparse.Namespace) -> int:
    from chroma_nb.tutorials import copy_tutorials

    copied = copy_tutorials(arguments.directory)
    print(f"{len(copied)} tutorials in {arguments.directory}; begin with {copied[0]}")
    return 0


# --- The table -----------------------------------------------------------------------------------------------
COMMANDS: dict[str, Command] = {
    "serve": Command("share a directory with Chroma's clients over HTTP", _serve_arguments, _serve),
    "import": Command("take a Chroma directory over into one of chroma_nb", _import_arguments, _import),
    "export": Command("write a Chroma directory out of one of chroma_nb", _export_arguments, _export),
    "tutorials": Command(
        "copy the tutorials, notebooks with their data, to a directory", _tutorials_arguments, _tutorials
    ),
    "doctor": Command("tell whether everything is in place here, and what to do", _doctor_arguments, _doctor),
}


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(prog="chroma-nb", description="Chroma collections for notebooks, and their server.")
    top.add_argument("--version", action="version", version=f"{top.prog} {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.help, description=command.help)
        command.arguments(own)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status. What a user can put right is said in one line."""
    chosen = parser().parse_args(arguments)
    try:
        return COMMANDS[chosen.command].run(chosen)
    except (ChromaError, OSError, ValueError, ImportError) as error:
        print(f"chroma-nb {chosen.command}: {error}", file=sys.stderr)
        return 1
