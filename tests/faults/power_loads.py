"""What a child writes while its system calls are recorded, and what must be there after a loss of power.

A load is a row of LOADS: how one session writes, and what is wrong with a directory afterwards. ``records`` makes any
calls on records, graphs and collections; tables and files that are too large for memory wait in the database piece by
piece, and the call fails or the process dies meanwhile. ``imports`` puts Chroma's files in the place of a database, and
dies while files are moved; ``conversions`` does that in Chroma's own directory. Each notes in a log what is done.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import crash_test
import numpy as np
from engine_samples import asked, quick_directory

import chroma_nb
from chroma_nb.engine import engine as engines
from chroma_nb.engine import opening
from chroma_nb.engine.search import planner
from chroma_nb.engine.storage import pending, room
from chroma_nb.engine.storage.sqlite import FILE_NAME
from chroma_nb.engine.transactions import maintenance
from chroma_nb.engine.transactions.maintenance import Maintenance
from chroma_nb.errors import _NoRoomError
from chroma_nb.tables import batches


@dataclass(frozen=True)
class Load:
    """What the child does in ``base``; each session ends without closing, but the last."""

    base: str = ""
    kind: str = "records"
    durability: str = "power"
    mapped: bool = True  # False: as on a network file system, with a rollback journal
    sessions: int = 2
    calls: int = 22
    seed: int = 1
    source: str = ""  # a directory of Chroma's, for those that import

    @property
    def options(self) -> crash_test.Options:
        """The same for the crash tester."""
        return crash_test.Options(
            seed=self.seed, batch=14, dimension=40, database=f"{self.base}/db", log=f"{self.base}/log"
        )

    @property
    def settings(self) -> chroma_nb.Settings:
        """Those of the client that writes."""
        return chroma_nb.Settings(chroma_nb_durability=self.durability)


#: What ``small_thresholds`` changes.
THRESHOLDS: dict[Any, tuple[str, ...]] = {
    planner: ("SMALLEST_GRAPH_BYTES", "SHARE_OF_BUILD"),
    maintenance: ("SMALLEST_WASTE",),
    pending: ("LARGEST",),
    batches: ("MEMORY_BUDGET", "STAGED_BYTES", "BATCH"),
}


def small_thresholds() -> None:
    """Graphs, compactions, syncs and staging for collections of a few records."""
    crash_test.small_thresholds()
    maintenance.SMALLEST_WASTE = 15 * 40 * 4  # type: ignore[misc]
    pending.LARGEST = 8_000  # type: ignore[misc]
    batches.MEMORY_BUDGET, batches.STAGED_BYTES, batches.BATCH = 200, 1_500, 5


# --- Records ---------------------------------------------------------------------------------------------


def write_records(load: Load, session: int) -> None:
    """Random calls, among them what makes, renames and removes files."""
    options = crash_test.replace(load.options, round=session)
    client = chroma_nb.PersistentClient(options.database, load.settings)
    chance = random.Random(f"{load.seed}-{session}")
    writer = Writer(options, client, 0)
    for number in range(load.calls):
        writer.step("drop" if (session, number) == (0, 6) else None)
        if number % 8 == 3:
            build_graphs()
        if number % 8 == 5:
            extra = client.create_collection(f"extra-{session}", embedding_function=None)
            extra.add(ids=["a", "b"], embeddings=[[1.0] * 7, [2.0] * 7])
        if number % 12 == 9:
            writer.step("sync")
        if number % 8 == 2:
            writer.step("fork")
        if number % 8 == 6:
            with scarce(chance.randint(0, 5)):
                writer.step("delete")
        if number % 8 == 7:
            with scarce(chance.randint(0, 2)):
                client.delete_collection(f"extra-{session}")
            client.vacuum()
    # The kernel of a notebook dies like this.
    writer.stop_while_staging(chance.randint(1, 2), dies=session + 1 < load.sessions)
    client.close()


@contextlib.contextmanager
def scarce(refusals: int) -> Iterator[None]:
    """As on a disk that is nearly full: what deletes finds no room so many times, and then gives back what it can."""
    freeing = room.Room.freeing

    def refusing(self: room.Room, change: Callable[[Any], Any], work: Callable[[Any], Any]) -> Any:
        def changing(work: Callable[[Any], Any]) -> Any:
            def refused(connection: Any) -> Any:
                nonlocal refusals
                answer = work(connection)
                refusals -= 1
                if refusals >= 0:
                    raise _NoRoomError("no room")
                return answer

            return change(refused)

        return freeing(self, changing, work)

    with mock.patch.object(room.Room, "freeing", refusing), mock.patch.object(room, "_free", return_value=0):
        yield


def build_graphs() -> None:
    """Build and save the graph of every collection now."""
    for engine in list(opening.OPEN.values()):
        for model in engine.list_collections("default_tenant", "default_database"):
            engine.build_graph(model.id)


def wait_for_graphs() -> None:
    """Wait for the background threads where there is something for them to read."""
    for engine in list(opening.OPEN.values()):
        if engine.directory is not None and list(engine.directory.glob("cache/*.json")):
            engine.builder.wait(5)


# --- Tables and files -------------------------------------------------------------------------------


class Texts(chroma_nb.EmbeddingFunction):  # type: ignore[type-arg]
    """Embeds the text of a version of a record by its vector; the last of ``batches`` fails."""

    def __init__(self, dimension: int = 40) -> None:
        self.dimension = dimension
        self.batches = 0

    def __call__(self, input: Any) -> Any:
        self.batches -= 1
        if self.batches == 0:
            raise RuntimeError("the provider fails")
        words = [text.split() for text in input]
        return [np.array(crash_test.vector(one[1], int(one[3]), self.dimension), np.float32) for one in words]


def rows(call: dict[str, Any], dimension: int | None) -> list[dict[str, Any]]:
    """The records of a call, as a file of JSON Lines has them; ``dimension`` None: to be embedded."""
    found = []
    for ident in call["ids"]:
        metadata = {"version": call["seq"], "words": crash_test.words(ident, call["seq"]).to_dict()}
        row = {"id": ident, "document": f"text {ident} version {call['seq']}", "metadata": metadata}
        if dimension is not None:
            row["embedding"] = crash_test.vector(ident, call["seq"], dimension)
        found.append(row)
    return found


def frame(call: dict[str, Any], dimension: int | None) -> Any:
    """The same as a table."""
    import pandas as pd

    found = rows(call, dimension)
    return pd.DataFrame([{**row.pop("metadata"), **row} for row in found])


class Writer(crash_test.Writer):
    """Half of the records come in tables and files, a few too many for memory. Some of those calls fail."""

    def __init__(self, options: crash_test.Options, client: Any, number: int) -> None:
        super().__init__(options, client, number)
        for call, outcome in crash_test.read_log(Path(f"{options.log}.{number}")):
            if outcome == "open":  # the process died while it was staged
                self._note({"seq": call["seq"], "set": "absent"})

    def step(self, op: str | None = None) -> None:
        """One call, whose failure is noted too."""
        call = self._choose("upsert" if op == "sync" else op)
        if op == "sync" and call["op"] != "create":
            call["op"], call["way"] = "sync", "embedded"
        elif len(call.get("ids", ())) > 4 and call["op"] in ("add", "upsert") and self._chance.random() < 0.6:
            call["way"] = self._chance.choice(["table", "embedded", "file", "fails"])
            if call["way"] == "file":
                call["op"] = "upsert"
        self._note(call)
        done = self._made(call)
        self._note({"seq": call["seq"], "set": "ack" if done else "absent"})
        if done:
            self._model = crash_test.applied(self._model, call)

    def _made(self, call: dict[str, Any]) -> bool:
        if call["op"] == "create":
            schema = crash_test.schema().create_index(chroma_nb.VectorIndexConfig(embedding_function=Texts()))
            self._client.get_or_create_collection(self._name, schema=schema, embedding_function=None)
            return True
        if "way" not in call:
            self._make(call)
            return True
        op, way, dimension = call["op"], call["way"], self._options.dimension
        texts = Texts()
        collection = self._client.get_collection(self._name, embedding_function=texts)
        if way == "file":
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "rows")
                if self._chance.random() < 0.5:
                    path.write_text("".join(json.dumps(row) + "\n" for row in rows(call, dimension)))
                    collection.from_jsonl(path)
                else:
                    frame(call, dimension).to_parquet(path)
                    collection.from_parquet(path)
        elif way == "fails":
            texts.batches = self._chance.randint(2, 3)
            try:
                getattr(collection, op)(frame(call, None))
            except RuntimeError:
                return False
        elif op == "sync":
            collection.sync(frame(call, None), delete=True)
        else:
            getattr(collection, op)(frame(call, dimension if way == "table" else None))
        return True

    def stop_while_staging(self, pieces: int, *, dies: bool) -> None:
        """The call is interrupted, or the process dies, when so many pieces of a table are written."""
        stage = engines.Engine.stage

        def staging(*given: Any) -> None:
            nonlocal pieces
            stage(*given)
            pieces -= 1
            if not pieces:
                if dies:
                    os._exit(0)
                raise KeyboardInterrupt

        if self._model is None:
            self.step()  # which makes the collection
        self._seq += 1
        fresh = [f"r{self._next + offset}" for offset in range(15)]
        call = {"op": "add", "seq": self._seq, "ids": fresh, "way": "stops"}
        collection = self._client.get_collection(self._name, embedding_function=Texts())
        self._note(call)
        with mock.patch.object(engines.Engine, "stage", staging), contextlib.suppress(KeyboardInterrupt):
            collection.add(frame(call, self._options.dimension))
        assert not pieces, "nothing was staged"
        self._note({"seq": call["seq"], "set": "absent"})


# --- What may be there of records -----------------------------------------------------------------------------------


def prefixes(log: list[crash_test.Entry]) -> list[crash_test.Model]:
    """The states after each of the calls, and before them all; the latest first."""
    models: list[crash_test.Model] = [None]
    for call, outcome in log:
        if outcome != "absent":
            models.append(crash_test.applied(models[-1], call))
    return models[::-1]


#: What is promised -> the states that a log then allows.
ALLOWED: dict[str, Callable[[list[crash_test.Entry]], list[crash_test.Model]]] = {
    "power": crash_test.states,
    "process": prefixes,
}


def examined_records(load: Load, directory: Path) -> Iterator[str]:
    """What is wrong with the records."""
    options = crash_test.replace(load.options, database=str(directory / "db"), log=str(directory / "log"))
    yield from _seen_before_the_sweep(directory / "db")
    with chroma_nb.PersistentClient(options.database) as client:
        for collection in client.list_collections():
            collection.get(include=[])  # loads it: its graph may lie in the cache
        wait_for_graphs()
        yield from crash_test.verify(options, client, ALLOWED[load.durability])
        engine = client._system.engine
        kept = asked(engine, "SELECT count(*) FROM records")
        counted = sum(collection.count() for collection in client.list_collections())
        if kept != counted:
            yield f"staged: {kept - counted} records are left"
        if left := [path.name for path in (directory / "db").glob("vectors/*.new")]:
            yield f"staged: {left} are left"


def _seen_before_the_sweep(database: Path) -> Iterator[str]:
    """What is wrong for someone who opens it where what is staged cannot be swept."""
    copy = database.with_name("copy")
    if database.exists() and staged_ids(shutil.copytree(database, copy)):
        with mock.patch.object(Maintenance, "sweep_staged"), chroma_nb.PersistentClient(copy) as client:
            staged = staged_ids(copy)
            yield from (f"finding: before the sweep, {text}" for text in client.verify())
            for collection in client.list_collections():
                got = collection.get(include=["embeddings"])
                ids, vectors = got["ids"], got["embeddings"]
                found = collection.query(query_embeddings=vectors[:1], n_results=1000)["ids"][0] if ids else []
                others = sorted(staged - set(ids))  # those that exist may be staged again, to be changed
                shown = others and collection.get(ids=others)["ids"]
                if collection.count() != len(ids) or sorted(found) != sorted(ids) or shown:
                    yield f"staged: {collection.name} shows what is not published"
    shutil.rmtree(copy, ignore_errors=True)


def staged_ids(database: Path) -> set[str]:
    """The ids of the records of collections that have staged ones; none where there is no database yet."""
    statement = "SELECT id FROM records WHERE collection IN (SELECT number FROM collections WHERE staged NOT NULL)"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database / FILE_NAME)) as connection:
        return {ident for (ident,) in connection.execute(statement)}
    return set()


# --- Imports ----------------------------------------------------------------------------------------------------------

PRECIOUS = {"precious": {"ids": ["a", "b"], "documents": ["one", "two"], "embeddings": [[1.0, 2.0], [3.0, 4.0]]}}
EMPTY: dict[str, Any] = {"ids": [], "documents": [], "embeddings": []}
LATER = {"later": {"ids": ["z"], "documents": ["last"], "embeddings": [[5.0, 6.0, 7.0]]}}


def write_imports(load: Load, session: int) -> None:
    """Something to be replaced; an import that dies while it moves files; one that does not, and a write after it."""
    database, replaces = Path(load.base, "db"), load.kind == "imports"
    if session == 0:
        if replaces:
            _add(chroma_nb.PersistentClient(database, load.settings), PRECIOUS)
        else:
            _copy_to_disk(Path(load.source), database)
        _say(load, "ready")
        os._exit(0)
    if session == 1:
        _die_after_rename(1 + load.seed % (6 if replaces else 4))
    else:
        replaces &= "precious" in contents(database)  # the session before may have come to the last of them
    if replaces:
        chroma_nb.import_chroma(load.source, database, replace=True)
    else:
        chroma_nb.PersistentClient(database).close()
    assert session > 1, "it was to die"
    _say(load, "imported")
    client = chroma_nb.PersistentClient(database, load.settings)
    _add(client, LATER)
    _say(load, "written")
    client.close()


def _add(client: Any, content: dict[str, Any]) -> None:
    for name, records in content.items():
        client.create_collection(name, embedding_function=None).add(**records)


def _copy_to_disk(source: Path, target: Path) -> None:
    """As ``shutil.copytree``, by calls that are replayed, and synced."""
    target.mkdir()
    for path in source.iterdir():
        if path.is_dir():
            _copy_to_disk(path, target / path.name)
            continue
        with (target / path.name).open("wb", buffering=0) as file:
            file.write(path.read_bytes())
            os.fsync(file.fileno())
    for folder in (target, target.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _die_after_rename(number: int) -> None:
    rename = os.rename

    def dying(*given: Any) -> None:
        nonlocal number
        rename(*given)
        number -= 1
        if not number:
            os._exit(0)

    os.rename = dying  # type: ignore[assignment]


def _say(load: Load, what: str) -> None:
    with open(f"{load.base}/log.0", "ab", buffering=0) as file:
        file.write(f"{what}\n".encode())


def examined_imports(load: Load, directory: Path) -> Iterator[str]:
    """What is wrong with a directory that was imported into: it has what was there before, or what was imported."""
    database, said = directory / "db", (directory / "log.0").read_text().split()
    imported = contents_of_chroma(load.source)
    olds: list[dict[str, Any]] = [PRECIOUS] if load.kind == "imports" else []
    if olds and load.durability == "process":
        olds += [{}, {"precious": EMPTY}]
    if not said:
        if not olds:
            return  # Chroma's files are not all there yet
        olds += [{}, {"precious": EMPTY}]
    news = [{**imported, **LATER}]
    if "written" not in said or load.durability == "process":
        news += [imported, {**imported, "later": EMPTY}]
    found = contents(database)
    if found not in ([] if "imported" in said else olds) + news:
        yield f"lost: there are { ({name: len(one['ids']) for name, one in found.items()}) } after {said}"
    names = [path.name for path in database.iterdir() if path.name.startswith("chroma_nb-")]
    asides = [name for name in names if name.startswith("chroma_nb-replaced-")]
    if left := set(names) - {*asides, "chroma_nb-import"}:
        yield f"left: {left}"
    if found in news and load.kind == "imports":
        if len(asides) != 1 or contents(database / asides[0]) not in olds:
            yield f"lost: what was replaced is not in {asides}"
    elif asides:
        yield f"left: {asides}"
    if found in olds:
        chroma_nb.import_chroma(load.source, database, replace=True)
        if contents(database) != imported:
            yield "error: importing it anew does not work"


def contents(database: Path) -> dict[str, Any]:
    """Everything in a database; RuntimeError when something is wrong with it."""
    with chroma_nb.PersistentClient(database) as client:
        if wrong := client.verify():
            raise RuntimeError(f"{database.name}: {wrong}")
        return {
            collection.name: _content(collection.get(include=["documents", "embeddings"]))
            for collection in client.list_collections()
        }


def _content(got: Any) -> dict[str, Any]:
    return {**{name: got[name] for name in ("ids", "documents")}, "embeddings": np.asarray(got["embeddings"]).tolist()}


@functools.cache
def contents_of_chroma(source: str) -> dict[str, Any]:
    """What an import makes of Chroma's files."""
    target = quick_directory("imported")
    chroma_nb.import_chroma(source, target)
    found = contents(target)
    shutil.rmtree(target)
    return found


# --- All of them --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One kind of load."""

    write: Callable[[Load, int], None]
    examined: Callable[[Load, Path], Iterator[str]]


LOADS = {
    "records": Kind(write_records, examined_records),
    "imports": Kind(write_imports, examined_imports),
    "conversions": Kind(write_imports, examined_imports),
}


def write(load: Load, session: int) -> None:
    """One session of the child."""
    small_thresholds()
    if not load.mapped:
        engines.is_network_mount = lambda path: True  # type: ignore[attr-defined]
    LOADS[load.kind].write(load, session)


def examined(load: Load, directory: Path) -> Iterator[str]:
    """What is wrong with what a loss of power left in ``directory``, one sentence each."""
    try:
        yield from LOADS[load.kind].examined(load, directory)
    except (chroma_nb.errors.ChromaError, OSError, ValueError, RuntimeError) as error:
        yield f"error: {type(error).__name__}: {error}"


def main() -> None:
    """The child's command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--load", required=True)
    parser.add_argument("--session", type=int, required=True)
    given: Any = parser.parse_args()
    write(Load(**json.loads(given.load)), given.session)


if __name__ == "__main__":
    main()
