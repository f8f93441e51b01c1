"""The tests of Chroma's JavaScript client against our server: ``make test-chroma-js``. Not a test of pytest's.

They are in Chroma's repository, not in the package of npm: the argument is a folder with a checkout of it; without
one, git fetches the release that we follow. What they need is installed by npm below ``build/``, without scripts. They
are copied beside it and run by jest, which ``chroma-nb serve`` answers in place of the server that they would
build and start. What is left out stands in ``chroma_javascript_internals.py``; everything else passes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chroma_javascript_internals import SKIPPED, TESTS

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "chroma-suite-js"
REPOSITORY, TAG = "https://github.com/chroma-core/chroma", "1.5.9"
#: Where the client is in Chroma's repository, and what of it is copied.
CLIENT, PACKAGE = "clients/new-js", "packages/chromadb"
COPIED = ("tsconfig.base.json", *(f"{PACKAGE}/{name}" for name in ("package.json", "tsconfig.json", "src", "test")))
#: What source and tests import and jest needs, in the versions that the client's package.json names. The rest of what
#: it names is for building, and for Docker.
NEEDED = (
    *("semver", "@hey-api/client-fetch", "@chroma-core/default-embed"),
    *("jest", "@jest/globals", "jest-environment-node-single-context", "ts-jest", "typescript"),
    *("@types/jest", "@types/node", "@types/semver"),
)
#: As the suite's own jest.config.ts, but for the set-up, which builds Chroma's server, and more time.
JEST = {
    "rootDir": str(BUILD / "suite" / PACKAGE),
    "preset": "ts-jest",
    "testEnvironment": "jest-environment-node-single-context",
    "clearMocks": True,
    "testTimeout": 60_000,
}
HOW_TO_GET_THEM = (
    f"the tests are in Chroma's repository: git clone --depth 1 --branch {TAG} {REPOSITORY} FOLDER, "
    "then make test-chroma-js SOURCES=FOLDER"
)


class NotHereError(Exception):
    """Something that the suite needs is not on this machine; the message says what."""


# --- What is run ---------------------------------------------------------------------------------------------
def sources(given: str | None) -> Path:
    """The folder of the client in Chroma's repository: in the one that is given, else in one that git fetches."""
    folder = Path(given) if given else BUILD / f"chroma-{TAG}"
    if not given and not (folder / CLIENT).is_dir():
        _fetch(folder)
    if not (folder / CLIENT / PACKAGE / "test").is_dir():
        raise NotHereError(f"expected a checkout of Chroma's repository, got {folder} without {CLIENT}")
    return folder / CLIENT


def _fetch(folder: Path) -> None:
    """Clone what is needed of the release."""
    shutil.rmtree(folder, ignore_errors=True)
    only = ["--depth", "1", "--branch", TAG, "--filter=blob:none", "--sparse", "-c", "advice.detachedHead=false"]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        subprocess.run(["git", "clone", "-q", *only, REPOSITORY, folder], check=True, env=environment, timeout=600)
        subprocess.run(["git", "-C", folder, "sparse-checkout", "set", CLIENT], check=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)  # a part of it would be taken for the whole next time
        raise NotHereError(f"git could not fetch them ({type(error).__name__}); {HOW_TO_GET_THEM}") from error


def needs(client: Path) -> dict[str, str]:
    """Packages of npm and their versions, as the checkout names them."""
    package = json.loads((client / PACKAGE / "package.json").read_text(encoding="utf-8"))
    named = {**package["dependencies"], **package["devDependencies"]}
    embed = json.loads((client / "packages/ai-embeddings/default-embed/package.json").read_text(encoding="utf-8"))
    # One of the same checkout there; a version that is not published yet has one before it.
    return {name: named[name] for name in NEEDED} | {"@chroma-core/default-embed": f"<={embed['version']}"}


def prepare(client: Path) -> None:
    """Install what the tests need, unless it is there, and copy them."""
    BUILD.mkdir(parents=True, exist_ok=True)
    wanted = json.dumps({"private": True, "dependencies": needs(client)}, indent=2)
    package, installed = BUILD / "package.json", BUILD / "installed.json"
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        package.write_text(wanted, encoding="utf-8")
        (BUILD / "package-lock.json").unlink(missing_ok=True)
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=BUILD, check=True)
        installed.write_text(wanted, encoding="utf-8")
    shutil.rmtree(BUILD / "suite", ignore_errors=True)
    for name in COPIED:
        to = BUILD / "suite" / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(client / name, to) if (client / name).is_dir() else shutil.copy(client / name, to)
    (BUILD / "jest.json").write_text(json.dumps(JEST), encoding="utf-8")
    _take_skips_away(BUILD / "suite" / PACKAGE / "test")


def _take_skips_away(tests: Path) -> None:
    """What Chroma's suite passes over because of Chroma's server is run, in the copy."""
    for file, rows in SKIPPED.items():
        text = (tests / file).read_text(encoding="utf-8")
        for name, (_, reason) in rows.items():
            if f'test.skip("{name}"' not in text:
                raise AssertionError(
                    f"row of chroma_javascript_internals.py that names no skipped test: {file}: {name}"
                )
            if reason is None:
                text = text.replace(f'test.skip("{name}"', f'test("{name}"')
        (tests / file).write_text(text, encoding="utf-8")


# --- Running it ----------------------------------------------------------------------------------------------
@contextmanager
def our_server() -> Iterator[str]:
    """``chroma-nb serve`` over a new directory, at a free port; its URL."""
    with tempfile.TemporaryDirectory(prefix="chroma-suite-js-") as path:
        options = ["--path", path, "--port", "0", "--allow-reset", "--quiet"]
        command = [sys.executable, "-m", "chroma_nb", "serve", *options]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                yield re.findall(r"http://\S+", server.stdout.readline())[0]
            finally:
                server.terminate()


def run(url: str, chosen: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """Run jest; its exit status, and its report."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    home, report = BUILD / "home", BUILD / "report.json"
    home.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "DEFAULT_CHROMA_INSTANCE_URL": url,
        "DEFAULT_CHROMA_INSTANCE_HOST": host,
        "DEFAULT_CHROMA_INSTANCE_PORT": port,
    }
    internal = "|".join(re.escape(name) for rows in TESTS.values() for name in rows)
    command = ["node", BUILD / "node_modules/jest/bin/jest.js", "--config", BUILD / "jest.json", "--runInBand", "--ci"]
    command += ["--silent", "--json", f"--outputFile={report}", f"--testNamePattern=^(?!(?:{internal})$)", *chosen]
    # The report also goes to stdout, where nobody reads it; what people read goes to stderr.
    done = subprocess.run(
        command, cwd=BUILD / "suite" / PACKAGE, env=environment, stdout=subprocess.DEVNULL, check=False
    )
    return done.returncode, json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}


def summary(report: dict[str, Any], *, whole: bool) -> str:
    """What was run and what was not. AssertionError for what was left out and has no row.

    ``whole``: all tests were found, and a row without a test is an error, too.
    """
    found = {
        (Path(file["name"]).name, test["fullName"]): test["status"]
        for file in report["testResults"]
        for test in file["assertionResults"]
    }
    reasons = {(file, name): reason for file, rows in TESTS.items() for name, reason in rows.items()}
    left_out = [one for one, status in found.items() if status not in ("passed", "failed")]
    ours = {one: reasons.get(one) or _reason_of_skip(*one) for one in left_out}
    nameless = sorted(one for one, reason in ours.items() if reason is None)
    unused = sorted(reasons.keys() - found.keys()) if whole else []
    if nameless or unused:
        raise AssertionError(
            f"chroma_javascript_internals.py: left out without a row {nameless}, no such test {unused}"
        )
    counts = [f"{list(found.values()).count(status)} {status}" for status in ("passed", "failed")]
    lines = [f"  left out: {file}: {name}: {reason}" for (file, name), reason in ours.items()]
    return "\n".join([f"Chroma's JavaScript suite against our server: {', '.join(counts)}", *lines])


def _reason_of_skip(file: str, full: str) -> str | None:
    """Why a test that Chroma's suite passes over is not run here; ``full`` has what surrounds the test before it."""
    return next((reason for name, (_, reason) in SKIPPED.get(file, {}).items() if full.endswith(name)), None)


def main(arguments: Sequence[str]) -> int:
    """Run the suite; the exit status."""
    parser = argparse.ArgumentParser(description="the tests of Chroma's JavaScript client against our server")
    parser.add_argument("--sources", help="a folder with a checkout of Chroma's repository")
    parser.add_argument("--if-possible", action="store_true", help="say what is missing, and leave it at that")
    parser.add_argument("tests", nargs="*", help="only these: test/count.test.ts")
    chosen = parser.parse_args(arguments)
    try:
        if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
            raise NotHereError(f"{' and '.join(missing)} not found")
        prepare(sources(chosen.sources or None))
    except NotHereError as error:
        print(f"Chroma's JavaScript suite was not run: {error}", file=sys.stderr)
        return 0 if chosen.if_possible else 1
    with our_server() as url:
        status, report = run(url, chosen.tests)
    if report:
        print(summary(report, whole=not chosen.tests and not report["numRuntimeErrorTestSuites"]))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
