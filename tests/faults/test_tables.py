"""Calls that take a table or a file: each step of them fails once, or the process dies there. All of it or nothing."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import child_process
import numpy as np
import pandas as pd
import pytest
from engine_samples import asked
from failing_steps import Steps

import chroma_nb
from chroma_nb.errors import ChromaError
from chroma_nb.tables import batches

EVERYTHING = ["embeddings", "documents", "metadatas", "uris"]


class Lengths(chroma_nb.EmbeddingFunction):  # type: ignore[type-arg]
    """Embeds a text by its length."""

    def __init__(self) -> None:
        pass

    def __call__(self, input: Any) -> Any:
        return [np.array([len(text), 1], np.float32) for text in input]


def table() -> pd.DataFrame:
    """Six rows: known ones and new ones, with and without embedding, a document taken away, one without a uri."""
    return pd.DataFrame(
        {
            "id": ["k1", "n1", "k2", "n2", "k3", "n3"],
            "document": ["changed", "new", None, "newer", "three", "newest"],
            "embedding": [None, [9.0, 9.0], None, None, [8.0, 8.0], None],
            "uri": ["u1", None, "other", None, None, "u"],
            "n": [1, 2, 3, 4, 5, 6],
        }
    )


def addable() -> pd.DataFrame:
    """The same, where each row has something to be found by."""
    frame = table()
    frame["embedding"] = [None, [9.0, 9.0], [7.0, 7.0], None, [8.0, 8.0], None]
    return frame


def filled(collection: Any) -> Any:
    collection.add(
        ids=["first", "k1", "k2", "k3", "last"],
        embeddings=np.arange(10).reshape(5, 2),
        documents=["0", "1", "2", "3", None],
        metadatas=[{"mine": 1}, {"n": 0}, None, {"n": 5}, {"mine": 2}],
        uris=[None, "u1", "u2", None, "u"],
    )
    return collection


def jsonl(folder: Path) -> Path:
    (folder / "rows.jsonl").write_text(
        '{"id": "k1", "document": "changed"}\n{"id": "n1", "document": "new", "metadata": {"n": 1}}\n'
    )
    return folder / "rows.jsonl"


CALLS: dict[str, Callable[[Any, Path], Any]] = {
    "add": lambda collection, folder: collection.add(addable()),
    "upsert": lambda collection, folder: collection.upsert(addable()),
    "update": lambda collection, folder: collection.update(table()),
    "sync": lambda collection, folder: collection.sync(table()),
    "sync and delete": lambda collection, folder: collection.sync(table(), delete=True),
    "from_jsonl": lambda collection, folder: collection.from_jsonl(jsonl(folder)),
}


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Calls let their records wait in the database, piece by piece."""
    before = {name: getattr(batches, name) for name in ("MEMORY_BUDGET", "STAGED_BYTES", "BATCH")}
    try:
        batches.MEMORY_BUDGET, batches.STAGED_BYTES, batches.BATCH = 20, 60, 2
        yield
    finally:
        for name, value in before.items():
            setattr(batches, name, value)


def _by_pieces(call: Callable[[Any, Path], Any]) -> Callable[[Any, Path], Any]:
    def calling(collection: Any, folder: Path) -> Any:
        with little_memory():
            return call(collection, folder)

    return calling


CALLS |= {f"{name} by pieces": _by_pieces(CALLS[name]) for name in ("add", "upsert", "sync and delete", "from_jsonl")}


def state(collection: Any) -> dict[str, Any]:
    got = collection.get(include=EVERYTHING)
    return {
        name: np.asarray(got[name]).tolist() if name == "embeddings" else got[name] for name in ["ids", *EVERYTHING]
    }


def staged(client: Any) -> int:
    """Records that no reader counts."""
    engine = client._system.engine
    rows = asked(engine, "SELECT count(*) FROM records")
    return int(rows) - sum(collection.count() for collection in client.list_collections())


#: By pieces a call has hundreds of steps: the kind of failure it meets in each run of the tests; the long run has all.
PIECES = {
    "add by pieces": "error",
    "upsert by pieces": "interrupt",
    "sync and delete by pieces": "late interrupt",
    "from_jsonl by pieces": "error",
}


def failing_calls() -> Iterator[Any]:
    """Each call with each kind of failure, and the durability with which it is tried."""
    for name in CALLS:
        for kind, durability in [("error", "power"), ("interrupt", "power"), ("late interrupt", "process")]:
            always = PIECES.get(name, kind) == kind
            yield pytest.param(name, kind, durability, marks=() if always else pytest.mark.long)


@pytest.mark.parametrize(("name", "kind", "durability"), list(failing_calls()))
def test_whatever_step_fails_all_of_it_is_done_or_nothing(
    name: str, kind: str, durability: str, tmp_path: Path, steps: Steps
) -> None:
    call, settings = CALLS[name], chroma_nb.Settings(chroma_nb_durability=durability)
    with chroma_nb.EphemeralClient() as memory:
        twin = filled(
            memory.create_collection(f"{kind}-{durability}-{name}".replace(" ", "-"), embedding_function=Lengths())
        )
        before = state(twin)
        call(twin, tmp_path)
        after = state(twin)
        memory.delete_collection(twin.name)
    for number in itertools.count(1):
        with chroma_nb.PersistentClient(tmp_path / str(number), settings) as client:
            collection = filled(client.create_collection("rows", embedding_function=Lengths()))
            with steps.armed(number, kind):
                try:
                    call(collection, tmp_path)
                except (KeyboardInterrupt, ChromaError, OSError):
                    assert steps.failed
            assert state(collection) in ([before, after] if steps.failed else [after])
            assert client.verify() == []
            if kind != "error":  # what could not even be removed is removed when the process is gone
                assert staged(client) == 0
            call(collection, tmp_path)
            assert sorted(state(collection)["ids"]) == sorted(after["ids"])
        with chroma_nb.PersistentClient(tmp_path / str(number), settings) as client:
            assert client.verify() == []
        if not steps.failed:
            break
    assert number > 5


#: In a process of its own, forked once for each step: makes the call, and dies before or after its n-th step.
DYING = """
import itertools, shutil, signal, sqlite3
sys.path.insert(0, sys.argv[3])
import test_tables
from engine_samples import asked

import chroma_nb

folder, name = Path(sys.argv[1]), sys.argv[2]
left = None
connect, pwrite = sqlite3.connect, os.pwrite

def step():
    global left
    if left is not None:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

def around(work):
    step()
    answer = work()
    step()
    return answer

def stepping(*args, factory=sqlite3.Connection, **more):
    class Connection(factory):
        def execute(self, *parameters):
            return around(lambda: super(Connection, self).execute(*parameters))
        def executemany(self, *parameters):
            return around(lambda: super(Connection, self).executemany(*parameters))
    return connect(*args, factory=Connection, **more)

sqlite3.connect = stepping
os.pwrite = lambda *arguments: around(lambda: pwrite(*arguments))
for number in itertools.count(1, int(sys.argv[4])):
    shutil.copytree(folder / "before", folder / str(number))
    child = os.fork()
    if child == 0:
        client = chroma_nb.PersistentClient(folder / str(number))
        collection = client.get_collection("rows", embedding_function=test_tables.Lengths())
        left = number
        test_tables.CALLS[name](collection, folder)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
print(number, end="")
"""


@pytest.mark.parametrize("name", ["sync and delete", "upsert", "sync and delete by pieces", "upsert by pieces"])
def test_killed_at_some_steps_all_of_it_is_done_or_nothing(name: str, tmp_path: Path) -> None:
    check_killed_at_steps(name, 9 if "pieces" in name else 3, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", ["sync and delete", "upsert", "sync and delete by pieces", "upsert by pieces"])
def test_killed_at_any_step_all_of_it_is_done_or_nothing(name: str, tmp_path: Path) -> None:
    check_killed_at_steps(name, 1, tmp_path)


def check_killed_at_steps(name: str, stride: int, tmp_path: Path) -> None:
    """At each ``stride``-th step of a call; an odd stride leads before some steps and after others."""

    def now(place: str) -> dict[str, Any]:
        with chroma_nb.PersistentClient(tmp_path / place) as client:
            assert client.verify() == []
            assert staged(client) == 0
            assert list((tmp_path / place / "vectors").glob("*.new")) == []
            return state(client.get_collection("rows", embedding_function=Lengths()))

    with chroma_nb.PersistentClient(tmp_path / "before") as client:
        filled(client.create_collection("rows", embedding_function=Lengths()))
    before = now("before")
    number = int(child_process.run(DYING, tmp_path, name, Path(__file__).parent, stride))
    after = now(str(number))
    assert after != before
    states = [now(str(step)) for step in range(1, number + 1, stride)]
    found = [one == after for one in states]
    assert states == [after if done else before for done in found]
    assert found == sorted(found)  # nothing, and from the commit on all of it
    assert number > 20


#: In a process of its own: makes one version of the collection after the other, and says which are made.
WRITING = """
sys.path.insert(0, sys.argv[3])
import pandas as pd
import test_tables
from engine_samples import asked

import chroma_nb

version = int(sys.argv[2])
with chroma_nb.PersistentClient(sys.argv[1]) as client:
    collection = client.get_or_create_collection("rows", embedding_function=test_tables.Lengths())
    print("ready", flush=True)
    while True:
        version += 1
        with test_tables.little_memory():
            collection.sync(test_tables.version_of_table(version), delete=True)
        print(version, flush=True)
"""


def version_of_table(version: int) -> pd.DataFrame:
    """Thirty rows, of which some are new in each version."""
    numbers = range(5 * version, 5 * version + 30)
    return pd.DataFrame({"id": [f"r{n}" for n in numbers], "document": [f"{n} in version {version}" for n in numbers]})


def test_killed_at_random_moments_the_collection_is_that_of_one_call(tmp_path: Path) -> None:
    chance, version = random.Random(7), 0
    for _ in range(3):
        process = child_process.start(WRITING, tmp_path / "db", version, Path(__file__).parent)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        timer = threading.Timer(chance.uniform(0.1, 1.0), process.kill)
        timer.start()
        made = [int(line) for line in process.stdout if line.endswith("\n")]
        process.communicate()
        assert process.returncode == -9
        version = made[-1] if made else version
        with chroma_nb.PersistentClient(tmp_path / "db") as client:
            assert client.verify() == []
            assert staged(client) == 0
            got = client.get_collection("rows", embedding_function=Lengths()).get()
            found = dict(zip(got["ids"], got["documents"], strict=True))
            wanted = [version_of_table(one) for one in (version, version + 1)]
            assert found in ([dict(zip(one["id"], one["document"], strict=True)) for one in wanted] + [{}][version:])
            version += found == dict(zip(wanted[1]["id"], wanted[1]["document"], strict=True))
    assert version > 0
