"""The command line: ``chroma-nb COMMAND …``, also ``python -m chroma_nb COMMAND …``.

A command is a row of COMMANDS: what it is for, its arguments, what it runs.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from chroma_nb import __version__
from chroma_nb._hints import meant
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
    parser.add_argument("--path", default="./chroma", help="the directory to serve; created if it does not exist")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; all but loopback need a token")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 chooses a free one")
    token = parser.add_mutually_exclusive_group()
    token.add_argument(
        "--token", help=f"token that clients must send; {_TOKEN_VARIABLE} or a file is safer, as ps shows it"
    )
    token.add_argument("--token-file", type=Path, help="a file whose first line is the token")
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        help="one more name for the Host header of clients; repeatable",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        help="allow requests from web pages of this origin, such as http://localhost:3000; repeatable",
    )
    parser.add_argument("--allow-reset", action="store_true", help="let clients delete everything with reset()")
    parser.add_argument("--max-body-mb", type=int, default=256, help="largest body of a request, in megabytes")
    parser.add_argument("--quiet", action="store_true", help="do not log requests")


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
        try:
            lines = arguments.token_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"--token-file: cannot read {str(arguments.token_file)!r}: {reason}") from None
        return lines[0].strip() if lines else ""
    return arguments.token or os.environ.get(_TOKEN_VARIABLE)


# --- import, export ------------------------------------------------------------------------------------------
def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="a directory that Chroma wrote; it is not changed")
    parser.add_argument("target", metavar="DST", help="the directory for chroma_nb; created if it does not exist")
    parser.add_argument("--replace", action="store_true", help="move what DST holds aside, then import again")
    parser.add_argument(
        "--reembed",
        action="store_true",
        help="embed the documents of records without a vector, with the embedding function of their collection",
    )


def _import(arguments: argparse.Namespace) -> int:
    from chroma_nb.backends.chroma_import import import_chroma

    report = import_chroma(arguments.source, arguments.target, replace=arguments.replace, reembed=arguments.reembed)
    print(report)
    return 0


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="a directory of chroma_nb")
    parser.add_argument("target", metavar="DST", help="the directory for Chroma; needs the chromadb package")


def _export(arguments: argparse.Namespace) -> int:
    from chroma_nb.client.chroma_export import export_chroma
    from chroma_nb.client.factory import PersistentClient

    if not Path(arguments.source).is_dir():
        raise ValueError(f"expected a directory of chroma_nb, got {arguments.source!r}, which does not exist")
    with PersistentClient(arguments.source) as client:
        print(export_chroma(client, arguments.target))
    return 0


# --- doctor, tutorials ---------------------------------------------------------------------------------------
def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", default=".", help="the directory to check, with or without a database")


def _doctor(arguments: argparse.Namespace) -> int:
    from chroma_nb import doctor

    directory = Path(arguments.path)
    if not directory.is_dir():
        raise ValueError(f"expected a directory, got {arguments.path!r}, which is not a directory")
    print(doctor.title())
    failed = False
    for name, finding in doctor.findings(directory):
        print(*doctor.lines(name, finding), sep="\n", flush=True)
        failed |= finding.verdict is doctor.Verdict.FAIL
    return int(failed)


def _tutorials_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="where to copy; created if it does not exist")


def _tutorials(arguments: argparse.Namespace) -> int:
    from chroma_nb.tutorials import copy_tutorials

    copied = copy_tutorials(arguments.directory)
    print(f"{len(copied)} tutorials in {arguments.directory}; start with {copied[0]}")
    return 0


# --- The table -----------------------------------------------------------------------------------------------
COMMANDS: dict[str, Command] = {
    "serve": Command("serve a directory over HTTP to chroma_nb and chromadb clients", _serve_arguments, _serve),
    "import": Command("import a Chroma directory into a chroma_nb directory", _import_arguments, _import),
    "export": Command("export a chroma_nb directory to a Chroma directory", _export_arguments, _export),
    "tutorials": Command(
        "copy the tutorials (notebooks and their data) to a directory", _tutorials_arguments, _tutorials
    ),
    "doctor": Command("check this installation and a directory, and say what to do", _doctor_arguments, _doctor),
}


class _Parser(argparse.ArgumentParser):
    """argparse that suggests the nearest command or option."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what was perhaps meant."""
        unknown = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (--[\w-]+)", message)
        if unknown is not None:
            known = COMMANDS if unknown[1] else (option for name in COMMANDS for option in _options_of(name))
            message = f"{message}. {meant(unknown[1] or unknown[2], known)}".rstrip()
        super().error(f"{message} ({self.prog} -h shows the help)")


def _options_of(name: str) -> list[str]:
    own = argparse.ArgumentParser(add_help=False)
    COMMANDS[name].arguments(own)
    return list(own._option_string_actions)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = _Parser(prog="chroma-nb", description="A vector database for notebooks, and its server.")
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
