"""Kills a writing process at random moments and compares what is left with what was acknowledged.

Run it for as long as you like::

    export PYTHONPATH=.:tests
    python tests/faults/crash_test.py --rounds 200
    python tests/faults/crash_test.py --rounds 50 --mode interrupt     # the stop button, then the same client goes on
    python tests/faults/crash_test.py --rounds 80 --calls pwrite64,fdatasync --first 1   # die at the N-th system call

A child runs random calls on a client, each thread on a collection of its own. It notes each call in its log before,
and its answer after (``write`` survives the death of a process). A fresh process opens the directory and compares:

* lost: an acknowledged write, or its content, is not there
* ghost: something is there that nobody wrote, or that was deleted
* partial: the one call in flight was applied to some of its records only
* disagreement: count, get and query do not find the same records, or a record is not its own nearest
* finding: ``client.verify()`` found something
* error: opening, reading or a first write fails, kills the process or takes for ever
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from codes_for_few import codes_for_few
from engine_samples import quick_directory

import chroma_nb
from chroma_nb.engine.search import planner
from chroma_nb.engine.transactions import maintenance

Model = dict[str, int] | None  # id -> version; None: there is no collection
Entry = tuple[dict[str, Any], str]  # a call, and what became of it: open, ack, applied, absent


@dataclass(frozen=True)
class Options:
    """What a run does; every field is an option of the command line."""

    rounds: int = 20
    mode: str = "kill"  # kill, interrupt, exit
    seed: int = 1
    threads: int = 1
    batch: int = 100
    dimension: int = 16
    shortest: float = 0.05  # seconds until the kill
    longest: float = 1.5
    codes: int = 0  # 1: searches of few records go by codes, which are saved
    calls: str = ""  # system calls for strace, at one of which the child dies
    first: int = 1
    stride: int = 1
    round: int = 0
    database: str = ""
    log: str = ""


@dataclass
class Summary:
    """What a run found."""

    passed: int = 0
    acknowledged: int = 0
    in_flight: int = 0
    findings: list[str] = field(default_factory=list)


def vector(ident: str, version: int, dimension: int) -> list[float]:
    """The one vector that a version of a record has."""
    generator = np.random.default_rng([zlib.crc32(ident.encode()), version])
    return generator.standard_normal(dimension).astype(np.float32).tolist()


def small_thresholds(*, codes: bool = False) -> None:
    """Graphs and compactions for small collections too, or codes instead of graphs."""
    if codes:
        codes_for_few(block_rows=64, by_the_background=True)
    planner.SMALLEST_GRAPH_BYTES = 0  # type: ignore[misc]
    maintenance.SMALLEST_WASTE = 50 * 16 * 4  # type: ignore[misc]
    planner.SHARE_OF_BUILD = 0.0  # type: ignore[misc]


# --- The log, and the states it allows ------------------------------------------------------------------------


def read_log(path: Path) -> list[Entry]:
    """The calls of a log in order; a last line that was cut is dropped."""
    calls: dict[int, Entry] = {}
    for line in path.read_bytes().split(b"\n") if path.exists() else []:
        try:
            note = json.loads(line)
        except ValueError:
            continue
        calls[note["seq"]] = (note, "open") if "op" in note else (calls[note["seq"]][0], note["set"])
    return list(calls.values())


def applied(model: Model, call: dict[str, Any]) -> Model:
    """The state after a call."""
    if call["op"] == "create":
        return {} if model is None else model
    if call["op"] == "drop":
        return None
    if call["op"] == "fork":
        return model
    new = {} if call["op"] == "sync" else dict(model or {})
    for ident in call["ids"]:
        if call["op"] == "delete":
            new.pop(ident, None)
        elif call["op"] in ("upsert", "sync") or (call["op"] == "update") == (ident in new):
            new[ident] = call["seq"]
    return new


def states(log: list[Entry]) -> list[Model]:
    """The states that a log allows: the acknowledged one, and those that calls in flight may have left."""
    possible: list[Model] = [None]
    for call, outcome in log:
        if outcome in ("ack", "applied"):
            possible = [applied(model, call) for model in possible]
        elif outcome == "open":
            possible += [applied(model, call) for model in possible]
    return possible


def forks(log: list[Entry]) -> list[Model]:
    """What the fork may hold: the records there were; while one is made also none, or what it held before."""
    model: Model = None
    possible: list[Model] = [None]
    for call, outcome in log:
        if call["op"] == "fork":
            possible = [model] if outcome == "ack" else [*possible, None, model]
        elif outcome in ("ack", "applied"):
            model = applied(model, call)
    return possible


def settle(path: Path, log: list[Entry], found: Model) -> None:
    """Write down what became of the calls in flight, so that the next round starts from one known state."""
    flying = [call for call, outcome in log if outcome == "open"]
    for mask in range(1 << len(flying)):
        chosen = {call["seq"]: bool(mask >> place & 1) for place, call in enumerate(flying)}
        model: Model = None
        for call, outcome in log:
            if outcome in ("ack", "applied") or chosen.get(call["seq"]):
                model = applied(model, call)
        if model == found:
            with path.open("ab") as file:
                for seq, happened in chosen.items():
                    file.write(json.dumps({"seq": seq, "set": "applied" if happened else "absent"}).encode() + b"\n")
            return


# --- Sparse vectors ----------------------------------------------------------------------------------------------


def schema() -> chroma_nb.Schema:
    """One sparse index, of "words"."""
    return chroma_nb.Schema().create_index(chroma_nb.SparseVectorIndexConfig(), key="words")


def words(ident: str, version: int) -> chroma_nb.SparseVector:
    """A word that all have, and one that this version of this record has."""
    own = 8 + zlib.crc32(f"{ident} {version}".encode()) // 2
    return chroma_nb.SparseVector([7, own], [0.5, 2.0])


def by_words(collection: Any, query: chroma_nb.SparseVector, count: int) -> list[str]:
    """The ids that a sparse search finds."""
    found = collection.search(chroma_nb.Search(rank=chroma_nb.Knn(query=query, key="words", limit=count)))
    return list(found["ids"][0])


#: What leads the name of a fork.
FORK_OF = "fork-of-"


# --- The child that writes ------------------------------------------------------------------------------------


class Writer:
    """One thread's random calls on its own collection, noted before and after."""

    def __init__(self, options: Options, client: Any, number: int) -> None:
        self._options, self._client = options, client
        self._chance = random.Random(f"{options.seed}-{options.round}-{number}")
        self._name = f"words-{number}"
        path = Path(f"{options.log}.{number}")
        log = read_log(path)
        self._model = states(log)[0]
        self._seq = max((call["seq"] for call, _ in log), default=0)
        self._next = 1 + max((int(ident[1:]) for call, _ in log for ident in call.get("ids", ())), default=0)
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def run(self, until: float) -> None:
        """Call until then, or until the process dies."""
        while time.monotonic() < until:
            self.step()

    def step(self, op: str | None = None) -> None:
        """One call: ``op``, or any."""
        call = self._choose(op)
        self._note(call)
        self._make(call)
        self._note({"seq": call["seq"], "set": "ack"})
        self._model = applied(self._model, call)

    def _note(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def _choose(self, op: str | None) -> dict[str, Any]:
        self._seq += 1
        if self._model is None:
            return {"op": "create", "seq": self._seq}
        live, count = list(self._model), self._chance.randint(1, self._options.batch)
        op = (
            op or self._chance.choices(("add", "upsert", "update", "delete", "drop", "fork"), (50, 18, 14, 15, 1, 4))[0]
        )
        if op in ("drop", "fork"):
            return {"op": op, "seq": self._seq}
        fresh = [f"r{self._next + offset}" for offset in range(count)]
        some = self._chance.sample(live, min(len(live), count))
        if op == "add" or not live:
            op, ids = "add", fresh
        else:
            ids = some[: count // 2 + 1] + fresh[: count // 2] if op == "upsert" else some
        self._next += count
        return {"op": op, "seq": self._seq, "ids": ids}

    def _make(self, call: dict[str, Any]) -> None:
        op, version = call["op"], call["seq"]
        if op == "drop":
            self._client.delete_collection(self._name)
            return
        collection = self._client.get_or_create_collection(self._name, schema=schema(), embedding_function=None)
        if op == "delete":
            collection.delete(ids=call["ids"])
        elif op == "fork":
            with contextlib.suppress(chroma_nb.errors.NotFoundError):
                self._client.delete_collection(FORK_OF + self._name)
            collection.fork(FORK_OF + self._name)
        elif op != "create":
            ids = call["ids"]
            getattr(collection, op)(
                ids=ids,
                embeddings=[vector(ident, version, self._options.dimension) for ident in ids],
                documents=[f"text {ident} version {version}" for ident in ids],
                metadatas=[{"version": version, "id": ident, "words": words(ident, version)} for ident in ids],
            )
            if self._chance.random() < 0.1:
                collection.query(query_embeddings=[vector(ids[0], version, self._options.dimension)], n_results=3)
                by_words(collection, words(ids[0], version), 3)


def write(options: Options) -> None:
    """The child's life."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.register(signal.SIGUSR1)  # every thread's stack, where the child does not end
    small_thresholds(codes=bool(options.codes))
    client = chroma_nb.PersistentClient(options.database)
    writers = [Writer(options, client, number) for number in range(options.threads)]
    print("ready", flush=True)
    # numpy loses an interrupt now and then, about one of 30,000 that come while it makes a vector: then it just ends.
    until = time.monotonic() + options.longest + {"exit": 0, "interrupt": 10, "kill": 3600}[options.mode]
    if options.threads == 1:
        try:
            writers[0].run(until)
        except KeyboardInterrupt:
            for text in verify(options, client):
                print("after the interrupt, " + text, flush=True)
        client.close()
        return
    threads = [threading.Thread(target=writer.run, args=(until,), daemon=True) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()


# --- The fresh process that looks ---------------------------------------------------------------------------------


def verify(options: Options, client: Any, allowed: Callable[[list[Entry]], list[Model]] = states) -> Iterator[str]:
    """What is wrong with the database, one sentence each; ``allowed``: the states that a log allows."""
    names = [collection.name for collection in client.list_collections()]
    yield from (f"finding: {text}" for text in client.verify())
    for number in range(options.threads):
        path, name = Path(f"{options.log}.{number}"), f"words-{number}"
        log = read_log(path)
        possible = allowed(log)
        if name not in names:
            if None not in possible:
                yield f"lost: {name} is gone"
            settle(path, log, None)
            continue
        collection = client.get_collection(name, embedding_function=None)
        model: dict[str, int] = {}
        yield from _read(options, collection, model)
        if model not in possible:
            yield _difference(name, model, possible[0] or {}, log)
        else:
            settle(path, log, model)
        yield from _disagreements(options, collection, model)
    for number in range(options.threads):
        yield from _verified_fork(options, client, FORK_OF + f"words-{number}", number, names, allowed)


def _verified_fork(
    options: Options,
    client: Any,
    name: str,
    number: int,
    names: list[str],
    allowed: Callable[[list[Entry]], list[Model]],
) -> Iterator[str]:
    """What is wrong with the fork of a thread's collection."""
    log = read_log(Path(f"{options.log}.{number}"))
    found: dict[str, int] | None = None
    if name in names:
        found = {}
        fork = client.get_collection(name, embedding_function=None)
        yield from _read(options, fork, found)
        yield from _disagreements(options, fork, found)
    if allowed is states:
        possible = forks(log)
    else:  # the last calls may be lost
        possible = [state for end in range(len(log) + 1) for state in forks(log[:end])]
    if found not in possible:
        yield f"fork: {name} holds {None if found is None else len(found)} records, which were never all there were"


def _read(options: Options, collection: Any, model: dict[str, int]) -> Iterator[str]:
    """Read the version of every record into ``model``; which records are not wholly of one."""
    found = collection.get(include=["embeddings", "documents", "metadatas"])
    for place, ident in enumerate(found["ids"]):
        version = model[ident] = found["metadatas"][place]["version"]
        whole = found["documents"][place] == f"text {ident} version {version}"
        whole = whole and found["metadatas"][place]["words"] == words(ident, version)
        if not whole or found["embeddings"][place].tolist() != vector(ident, version, options.dimension):
            yield f"partial: {collection.name}, {ident} is not wholly of version {version}"


def _difference(name: str, model: dict[str, int], acknowledged: dict[str, int], log: list[Entry]) -> str:
    touched = {ident for call, outcome in log if outcome == "open" for ident in call.get("ids", ())}
    lost = [ident for ident in acknowledged if ident not in touched and model.get(ident) != acknowledged[ident]]
    ghosts = [ident for ident in model if ident not in touched and ident not in acknowledged]
    if lost:
        return f"lost: {name}, {len(lost)} records, among them {lost[:3]}"
    if ghosts:
        return f"ghost: {name}, {len(ghosts)} records, among them {ghosts[:3]}"
    return f"partial: {name}, some of {len(touched)} records of a call in flight"


def _disagreements(options: Options, collection: Any, model: dict[str, int]) -> Iterator[str]:
    if collection.count() != len(model):
        yield f"disagreement: count {collection.count()}, get {len(model)}"
    chance = random.Random(options.round)
    for ident in chance.sample(sorted(model), min(20, len(model))):
        asked = vector(ident, model[ident], options.dimension)
        if collection.query(query_embeddings=[asked], n_results=1)["ids"] != [[ident]]:
            yield f"disagreement: {ident} is not its own nearest"
        if by_words(collection, words(ident, model[ident]), 1) != [ident]:
            yield f"disagreement: {ident} is not its own nearest by words"
    if set(by_words(collection, words("nobody", 0), len(model) + 1)) != set(model):
        yield "disagreement: a search by the word that all have finds others than get"
    if model:
        everything = collection.query(query_embeddings=[[0.0] * options.dimension], n_results=len(model))
        if set(everything["ids"][0]) != set(model):
            yield f"disagreement: query finds {len(everything['ids'][0])} of {len(model)}"
    probe = vector("probe", options.round, options.dimension)
    collection.add(ids=["probe"], embeddings=[probe])
    if collection.query(query_embeddings=[probe], n_results=1)["ids"] != [["probe"]]:
        yield "disagreement: a record added after opening is not found"
    collection.delete(ids=["probe"])


def look(options: Options) -> None:
    """The verifying process's life: a JSON list of findings."""
    small_thresholds(codes=bool(options.codes))
    client = chroma_nb.PersistentClient(options.database)
    print("FOUND " + json.dumps(list(verify(options, client))), flush=True)
    client.close()


# --- The parent that kills ------------------------------------------------------------------------------------------


def run(options: Options) -> Summary:
    """All rounds; the directory is removed when nothing was found."""
    base = quick_directory("crash")
    chance, summary = random.Random(options.seed), Summary()
    for number in range(options.rounds):
        of_round = replace(options, round=number, database=str(base / "db"), log=str(base / "log"))
        before = len(summary.findings)
        summary.findings += [f"round {number}: {text}" for text in _one_round(of_round, chance, summary)]
        if len(summary.findings) > before:  # one fault is to count once
            os.rename(base, f"{base}-{number}")
            base.mkdir()
        else:
            summary.passed += 1
    shutil.rmtree(base)
    return summary


def _one_round(options: Options, chance: random.Random, summary: Summary) -> Iterator[str]:
    child = _start("write", options, _strace(options))
    assert child.stdout is not None
    ready = child.stdout.readline().strip() == "ready"
    if options.calls:
        _wait(child, options.longest + 30)
    elif not ready:
        _wait(child, 5)
    elif options.mode != "exit":
        time.sleep(chance.uniform(options.shortest, options.longest))
    if options.mode == "interrupt":
        child.send_signal(signal.SIGINT)
    stuck = options.mode != "kill" and not _wait(child, 60)
    if stuck:
        child.send_signal(signal.SIGUSR1)
        _wait(child, 1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # a tracer that is killed alone lets its process go on writing
    output, errors = child.communicate()
    if stuck:
        yield f"error: the child did not end: {errors[-6000:]}"
    yield from (line for line in output.splitlines() if line.startswith("after the interrupt"))
    if "Traceback" in errors:
        yield f"error: the child said {errors[-600:]}"
    logs = [read_log(Path(f"{options.log}.{number}")) for number in range(options.threads)]
    summary.in_flight += sum(outcome == "open" for log in logs for _, outcome in log)
    yield from _looked(options)
    summary.acknowledged = sum(outcome == "ack" for log in logs for _, outcome in log)


def _looked(options: Options) -> Iterator[str]:
    verifier = _start("look", options)
    try:
        output, errors = verifier.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        verifier.kill()
        verifier.communicate()
        yield "error: opening and verifying took more than 120 s"
        return
    found = [line for line in output.splitlines() if line.startswith("FOUND ")]
    if not found:
        yield f"error: the verifier ended with {verifier.returncode}: {errors[-600:]}"
    for line in found:
        yield from json.loads(line[len("FOUND ") :])


def _wait(child: subprocess.Popen[str], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _strace(options: Options) -> list[str]:
    if not options.calls:
        return []
    when = options.first + options.round * options.stride
    inject = f"inject={options.calls}:signal=SIGKILL:when={when}"
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={options.calls}", "-e", inject]


def _start(role: str, options: Options, prefix: list[str] | None = None) -> subprocess.Popen[str]:
    paths = [str(Path(chroma_nb.__file__).parents[1]), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [*(prefix or []), sys.executable, __file__, "--role", role, "--options", json.dumps(asdict(options))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--role", choices=["run", "write", "look"], default="run", help=argparse.SUPPRESS)
    parser.add_argument("--options", help=argparse.SUPPRESS)
    for one in fields(Options):
        parser.add_argument(f"--{one.name}", type=type(one.default), default=one.default)
    given = vars(parser.parse_args())
    role, passed_on = given.pop("role"), given.pop("options")
    if role != "run":
        {"write": write, "look": look}[role](Options(**json.loads(passed_on)))
        return 0
    summary = run(Options(**given))
    for text in summary.findings:
        print(text)
    print(f"{summary.acknowledged} acknowledged calls, {summary.in_flight} killed in flight")
    print(f"{summary.passed} passed, {given['rounds'] - summary.passed} failed")
    return 1 if summary.findings else 0


if __name__ == "__main__":
    sys.exit(main())
