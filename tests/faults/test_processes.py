"""Several processes on one directory: each sees the others' finished writes at its next call."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import threading
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from child_process import finish, run, start
from engine_samples import (
    PLACE,
    agree,
    by_text,
    by_word,
    contents,
    create,
    create_sparse,
    in_words,
    nearest,
    numbered,
    numbered_vector,
    records,
)

import chroma_nb.engine.transactions.running
import chroma_nb.engine.transactions.writing
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.memory import word_files
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.transactions.compaction import Compaction
from chroma_nb.errors import InternalError, NotFoundError
from chroma_nb.query.parsing import parse_where


def tell(process: subprocess.Popen[str], line: str) -> str:
    """Say a line to a process and hear one."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


#: Does what it is told, line by line: a Python expression over ``engine`` and ``collection``.
SERVANT = """
engine = SharedEngine.open(Path(sys.argv[1]))
collection = UUID(sys.argv[2])
for line in sys.stdin:
    try:
        print(eval(line), flush=True)
    except Exception as error:
        print(type(error).__name__, str(error).replace(chr(10), " "), flush=True)
"""


@pytest.fixture
def shared(tmp_path: Path):
    """An engine, its collection and a process that has both open too."""
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 20))
    other = start(SERVANT, tmp_path / "db", collection)
    assert tell(other, "len(contents(engine, collection))") == "20"
    yield engine, collection, other
    finish(other)
    engine.close()


def test_get_count_and_query_see_the_other_process_at_the_next_call(shared) -> None:
    engine, collection, other = shared
    for number in range(100, 110):
        engine.add(collection, numbered(number, 1))
        assert tell(other, f"nearest(engine, collection, numbered_vector({number}), 1)") == f"['r{number}']"
        assert tell(other, f"engine.add(collection, numbered({number + 100}, 1))") == "None"
        assert nearest(engine, collection, numbered_vector(number + 100), 1) == [f"r{number + 100}"]
        assert engine.count(collection) == int(tell(other, "engine.count(collection)"))
    assert tell(other, "sorted(agree(engine, collection))") == str(sorted(agree(engine, collection)))


def test_updates_deletes_and_filters_see_the_other_process(shared) -> None:
    engine, collection, other = shared
    second = parse_where({"version": 2})
    assert engine.get(collection, None, second, None, None, ())["ids"] == []
    tell(other, "engine.update(collection, numbered(3, 2, version=2))")
    tell(other, "engine.delete(collection, ['r7', 'r8'], None)")
    assert engine.get(collection, None, second, None, None, ())["ids"] == ["r3", "r4"]
    assert nearest(engine, collection, numbered_vector(3, 2), 1) == ["r3"]
    assert not {"r7", "r8"} & agree(engine, collection)
    tell(other, "engine.add(collection, numbered(7, 1))")
    assert list(contents(engine, collection))[-1] == "r7"  # deleted and added: last in get() order


def test_a_search_by_words_sees_the_other_process_at_the_next_call(shared) -> None:
    engine, _, other = shared
    collection = create_sparse(engine, "sparse")
    engine.add(collection, in_words(0, 4, 1, 2))
    there = f"UUID('{collection}')"
    assert by_word(engine, collection, 1) == ["r0", "r1", "r2", "r3"]
    for turn in range(3):
        assert tell(other, f"by_word(engine, {there}, 1)") == str(by_word(engine, collection, 1))
        tell(other, f"engine.update({there}, in_words({turn}, 1, 3))")
        tell(other, f"engine.add({there}, in_words({10 + turn}, 1, 1))")
        engine.add(collection, in_words(20 + turn, 1, 1))
        engine.delete(collection, [f"r{10 + turn}"] if turn == 1 else [], None)
        assert by_word(engine, collection, 3) == [f"r{number}" for number in range(turn + 1)]
        assert by_word(engine, collection, 2) == [f"r{number}" for number in range(turn + 1, 4)]
    assert sorted(by_word(engine, collection, 1)) == ["r10", "r12", "r20", "r21", "r22", "r3"]
    assert tell(other, f"engine.compact({there})") == "True"
    assert tell(other, f"by_word(engine, {there}, 1)") == str(by_word(engine, collection, 1))


def test_a_fork_is_seen_by_the_other_process_at_the_next_call(shared) -> None:
    engine, collection, other = shared
    fork = engine.fork(collection, "fork").id
    there = f"UUID('{fork}')"
    assert tell(other, f"len(agree(engine, {there}))") == "20"
    assert tell(other, "engine.fork_count(collection)") == "1"
    tell(other, f"engine.delete({there}, ['r3'], None)")
    tell(other, "engine.add(collection, numbered(50, 1))")
    assert len(agree(engine, fork)) == 19
    assert len(agree(engine, collection)) == 21
    tell(other, f"engine.fork({there}, 'second')")
    second = engine.get_collection("second", *PLACE).id
    assert contents(engine, second) == contents(engine, fork)
    assert [engine.fork_count(one) for one in (collection, fork, second)] == [2, 2, 2]
    assert tell(other, "engine.fork(collection, 'second')").endswith("Collection [second] already exists")
    assert tell(other, "engine.verify()") == "[]"


def test_forks_and_writes_of_two_processes_at_once_are_each_of_one_moment(shared) -> None:
    """Every call writes its number to all records: a fork that has two of them was not taken of one moment."""
    engine, collection, other = shared
    assert other.stdin is not None
    assert other.stdout is not None
    calls = [f"engine.update(collection, numbered(0, 20, version={version}))" for version in range(1, 40)]
    other.stdin.write("".join(f"{call}\n" for call in calls))
    other.stdin.flush()
    forks = [engine.fork(collection, f"fork-{number}").id for number in range(12)]
    assert [other.stdout.readline().strip() for _ in calls] == ["None"] * len(calls)
    seen = []
    for fork in forks:
        (version,) = {metadata["version"] for _, _, metadata, _ in contents(engine, fork).values()}
        seen.append(version)
        for number in (0, 7, 19):
            assert nearest(engine, fork, numbered_vector(number, version), 1) == [f"r{number}"]
    assert seen == sorted(seen)
    assert engine.verify() == []


def test_a_hybrid_search_sees_the_other_process_at_the_next_call(shared) -> None:
    engine, collection, other = shared
    assert by_text(engine, collection, "13 zebra") == ["r13"]
    for turn in range(3):
        assert tell(other, "by_text(engine, collection, '13 zebra')") == str(by_text(engine, collection, "13 zebra"))
        tell(other, f"engine.update(collection, records(['r{turn}'], documents=['a zebra']))")
        tell(other, f"engine.add(collection, records(['z{turn}'], [numbered_vector(0)], ['a zebra']))")
        engine.delete(collection, [f"z{turn}"] if turn == 1 else [], None)
        assert (
            by_text(engine, collection, "zebra") == [f"r{n}" for n in range(turn + 1)] + ["z0", "z2"][: turn // 2 + 1]
        )
    assert tell(other, "engine.compact(collection)") == "True"
    assert tell(other, "by_text(engine, collection, '13 zebra')") == str(by_text(engine, collection, "13 zebra"))


#: Reads the words of a collection and is killed by ``step`` while it saves them.
KILLED_WHILE_SAVING = """
import signal
from chroma_nb.engine.memory import word_files
from chroma_nb.engine.storage import cache_files, catalog
word_files.FEWEST = 10
engine = SharedEngine.open(Path(sys.argv[1]))
engine.builder.stop()
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
step = sys.argv[3]
if step == "in the middle of the file":
    class Half(list):
        def __iter__(self):
            yield list.__getitem__(self, 0)
            die()
    make = cache_files.make
    cache_files.make = lambda path, pieces: make(path, Half(pieces))
elif step == "before its name":
    os.fsync = die
elif step == "before it is noted":
    catalog.set_settings = die
by_text(engine, UUID(sys.argv[2]), "text")
engine.maintenance.store_words(UUID(sys.argv[2]))
"""


@pytest.mark.parametrize("step", ["in the middle of the file", "before its name", "before it is noted"])
def test_a_process_that_is_killed_while_it_saves_words_leaves_the_search_right(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_files, "FEWEST", 10)
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 20))
    expected = by_text(engine, collection, "13 text 7")
    engine.builder.stop()
    engine.close()
    process = start(KILLED_WHILE_SAVING, tmp_path / "db", collection, step)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    engine = SharedEngine.open(tmp_path / "db")
    assert by_text(engine, collection, "13 text 7") == expected
    engine.add(collection, records(["n"], [numbered_vector(1)], ["13"]))
    assert by_text(engine, collection, "13") == ["n", "r13"]
    assert engine.maintenance.store_words(collection)
    engine.maintenance.sweep()
    assert [file.suffix for file in (tmp_path / "db" / "cache").iterdir()] == [".words"]
    assert engine.verify() == []
    engine.close()


def test_a_compaction_in_one_process_disturbs_no_other(shared) -> None:
    engine, collection, other = shared
    for turn in range(4):
        engine.delete(collection, [f"r{turn}"], None)
        engine.add(collection, numbered(100 + 2 * turn, 2))
        assert tell(other, "engine.compact(collection)") == "True"
        assert tell(other, "engine.verify()") == "[]"
        assert engine.verify() == []
        assert nearest(engine, collection, numbered_vector(100 + 2 * turn), 1) == [f"r{100 + 2 * turn}"]
        assert sorted(agree(engine, collection)) == eval(tell(other, "sorted(agree(engine, collection))"))


@pytest.mark.parametrize("sweeps", ["opening", "engine.vacuum()", "engine.delete_collection('others', *PLACE)"])
def test_what_one_process_sweeps_is_not_the_copy_that_another_is_making(
    shared, monkeypatch: pytest.MonkeyPatch, sweeps: str
) -> None:
    engine, collection, other = shared
    create(engine, "others")
    engine.delete(collection, ["r3"], None)
    copy = Compaction.copy

    def disturbed(self: Compaction) -> None:
        copy(self)
        if sweeps == "opening":
            run("SharedEngine.open(Path(sys.argv[1])).close()", engine.directory)
        else:
            assert "Error" not in tell(other, sweeps)

    monkeypatch.setattr(Compaction, "copy", disturbed)
    assert engine.compact(collection) != ("vacuum" in sweeps)  # which compacts, too: of two one counts
    assert not list((engine.directory / "vectors").glob("*.new"))
    assert engine.verify() == []
    assert len(agree(engine, collection)) == 19


def test_a_collection_deleted_in_one_process_is_not_found_in_the_other(shared) -> None:
    engine, collection, other = shared
    engine.delete_collection("words", *PLACE)
    assert tell(other, "engine.count(collection)").startswith("NotFoundError Collection")
    assert "does not exist" in tell(other, "nearest(engine, collection, numbered_vector(1), 1)")
    assert "does not exist" in tell(other, "engine.add(collection, numbered(1, 1))")
    create(engine)  # the same name, another collection
    assert tell(other, "engine.count(collection)").startswith("NotFoundError")
    with pytest.raises(NotFoundError):
        engine.count(collection)


def test_a_record_deleted_last_and_added_by_the_other_process_is_not_taken_for_it(shared) -> None:
    """Positions and slots come from counters: SQLite would give a deleted last row's number again."""
    engine, collection, other = shared
    engine.delete(collection, ["r19"], None)
    tell(other, "engine.add(collection, numbered(500, 1))")
    assert "r19" not in agree(engine, collection)
    assert nearest(engine, collection, numbered_vector(500), 1) == ["r500"]
    assert engine.verify() == []


WRITER = """
engine = SharedEngine.open(Path(sys.argv[1]))
collection, me = UUID(sys.argv[2]), int(sys.argv[3])
for round in range(12):
    first = me * 10_000 + 20 * round
    engine.add(collection, numbered(first, 20))
    engine.upsert(collection, numbered(first + 10, 5, version=1))
    engine.delete(collection, [f"r{first + n}" for n in (0, 1)], None)
    if round % 4 == 3:
        engine.compact(collection)
    assert nearest(engine, collection, numbered_vector(first + 10, 1), 1) == [f"r{first + 10}"]
"""


def test_three_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    writers = [start(WRITER, tmp_path / "db", collection, me) for me in (1, 2, 3)]
    while any(writer.poll() is None for writer in writers):
        agree_while_others_write(engine, collection)
    for writer in writers:
        finish(writer)
    assert engine.verify() == []
    assert len(agree(engine, collection)) == 3 * 12 * 18
    engine.close()


def agree_while_others_write(engine: Engine, collection: UUID) -> None:
    """One answer is consistent in itself: as many ids as vectors, each vector its record's."""
    found = engine.get(collection, None, None, None, None, ("embeddings", "metadatas"))
    for ident, vector, metadata in list(zip(found["ids"], found["embeddings"], found["metadatas"], strict=True))[::25]:
        number = int(ident[1:])
        assert metadata["number"] == number
        assert np.allclose(vector, numbered_vector(number, metadata["version"]))


def test_one_of_three_writers_is_killed_and_the_others_go_on(tmp_path: Path) -> None:
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    writers = [start(WRITER, tmp_path / "db", collection, me) for me in (1, 2, 3)]
    while engine.count(collection) < 100:
        assert any(writer.poll() is None for writer in writers)
    writers[0].send_signal(signal.SIGKILL)
    for writer in writers[1:]:
        finish(writer)
    writers[0].communicate()
    assert engine.verify() == []
    assert len([ident for ident in agree(engine, collection) if int(ident[1:]) >= 20_000]) == 2 * 12 * 18
    engine.close()


def test_twenty_first_opens_at_once(tmp_path: Path) -> None:
    script = """
    import signal
    gate, opened = os.pipe()
    children = []
    for number in range(20):
        child = os.fork()
        if not child:
            signal.alarm(60)
            os.close(opened)
            os.read(gate, 1)  # until the parent lets all go at once
            status = 1
            try:
                engine = SharedEngine.open(Path(sys.argv[1]))
                model = engine.create_collection("words", *PLACE, None, None, None, True)
                engine.add(model.id, numbered(number, 1))
                engine.close()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    os.close(opened)
    assert not any(os.waitpid(child, 0)[1] for child in children)
    engine = SharedEngine.open(Path(sys.argv[1]))
    (model,) = engine.list_collections(*PLACE)
    print(len(agree(engine, model.id)), engine.verify())
    """
    assert run(script, tmp_path / "db", timeout=90) == "20 []"


def test_a_writer_that_hangs_is_named_in_the_error_of_the_others(
    shared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine, collection, other = shared
    tell(other, "setattr(sys.modules['chroma_nb.engine.storage.sqlite'], 'BUSY_TIMEOUT_SECONDS', 0.1)")
    tell(other, "engine.transactions.connections._writer.execute('PRAGMA busy_timeout=100')")
    entered, release = threading.Event(), threading.Event()

    def hold(connection: object) -> None:
        entered.set()
        release.wait(30)

    holder = threading.Thread(target=engine.transactions.write, args=(hold,))
    holder.start()
    entered.wait(10)
    answer = tell(other, "engine.add(collection, numbered(900, 1))")
    assert answer.startswith("InternalError")
    assert "busy" in answer
    assert tell(other, "engine.count(collection)") == "20"  # reading goes on
    release.set()
    holder.join()
    assert tell(other, "engine.add(collection, numbered(900, 1))") == "None"
    assert engine.count(collection) == 21


# --- One process, several threads -------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_eight_threads_add_query_delete_and_compact(place: str, tmp_path: Path) -> None:
    engine = SharedEngine.open(None if place == "memory" else tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 50))
    wrong: list[BaseException] = []

    def work(me: int) -> None:
        try:
            for turn in range(8):
                first = 1000 * (me + 1) + 10 * turn
                engine.add(collection, numbered(first, 10))
                assert nearest(engine, collection, numbered_vector(first), 1) == [f"r{first}"]
                engine.delete(collection, [f"r{first + 1}"], None)
                found = engine.get(collection, [f"r{first}", "r3"], None, None, None, ("embeddings",))
                assert np.allclose(found["embeddings"][-1], numbered_vector(first))
                if turn % 3 == me % 3:
                    engine.compact(collection)
        except BaseException as error:  # noqa: BLE001  told to the test's own thread
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert engine.verify() == []
    assert len(agree(engine, collection)) == 50 + 8 * 8 * 9
    engine.close()


def test_a_reader_that_holds_a_generation_is_not_disturbed_by_its_compaction(tmp_path: Path) -> None:
    """The store is given back when the last reader is done, not when the generation is over."""
    engine = SharedEngine.open(tmp_path / "db")
    collection = create(engine)
    engine.add(collection, numbered(0, 50))
    engine.delete(collection, ["r0"], None)
    inside, go_on = threading.Event(), threading.Event()
    answers: list[object] = []

    def read() -> None:
        def operation(reading) -> object:
            inside.set()
            go_on.wait(10)
            return reading.matrix[reading.memory.slots[reading.memory.live_rows()]].copy()

        try:
            answers.append(engine.transactions.read_collection(collection, operation))
        except InternalError as error:
            answers.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    inside.wait(10)
    compacting = threading.Thread(target=engine.compact, args=(collection,))
    compacting.start()
    compacting.join(5)
    go_on.set()
    reader.join(10)
    compacting.join(10)
    assert np.allclose(answers[0], [numbered_vector(number) for number in range(1, 50)])
    assert engine.verify() == []
    engine.close()


# --- Folders that go away ---------------------------------------------------------------------------------------


def test_a_folder_removed_and_made_again_is_a_new_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chroma_nb.engine.transactions.running, "TRUSTED_SECONDS", 0.0)
    directory = tmp_path / "db"
    old = SharedEngine.open(directory)
    collection = create(old)
    old.add(collection, numbered(0, 5))
    shutil.rmtree(directory)
    for call in (lambda: old.count(collection), lambda: old.add(collection, numbered(9, 1))):
        with pytest.raises(InternalError, match="removed or replaced"):
            call()
    new = SharedEngine.open(directory)
    assert new is not old
    fresh = create(new)
    new.add(fresh, numbered(0, 3))
    assert agree(new, fresh) == {"r0", "r1", "r2"}
    with pytest.raises(InternalError, match="removed or replaced"):
        old.count(collection)
    old.close()
    assert new.count(fresh) == 3
    new.close()


def test_one_directory_is_one_engine_by_whatever_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "db")
    monkeypatch.chdir(tmp_path)
    engines = [SharedEngine.open(path) for path in (tmp_path / "db", tmp_path / "link", Path("db"), Path("db/../db"))]
    assert len(set(map(id, engines))) == 1
    collection = create(engines[0])
    for engine in engines[:-1]:
        engine.close()
    monkeypatch.chdir("/")
    assert engines[0].count(collection) == 0  # open until the last reference is given back
    engines[0].close()


def test_200_opens_and_closes_leave_no_descriptor_and_no_thread(tmp_path: Path) -> None:
    def opened_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    def once(number: int) -> None:
        engine = SharedEngine.open(tmp_path / "db")
        collection = engine.create_collection("words", *PLACE, None, None, None, True).id
        engine.upsert(collection, numbered(number, 2))
        nearest(engine, collection, numbered_vector(number), 1)
        engine.close()

    once(0)
    files, threads = opened_files(), threading.active_count()
    for number in range(200):
        once(number % 7)
    assert opened_files() == files
    assert threading.active_count() == threads


def test_nothing_below_the_path_is_open_or_mapped_after_close(tmp_path: Path) -> None:
    script = """
    directory = Path(sys.argv[1])
    engine = SharedEngine.open(directory)
    collection = create(engine)
    engine.add(collection, numbered(0, 50))
    engine.delete(collection, ["r3"], None)
    engine.compact(collection)
    nearest(engine, collection, numbered_vector(1), 3)
    def held():
        names = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        files = [os.readlink(name) for name in names if os.path.lexists(name)]
        maps = [line for line in open("/proc/self/maps") if str(directory) in line]
        return [name for name in files if name.startswith(str(directory))] + maps
    assert held()
    engine.close()
    print(held())
    """
    assert run(script, tmp_path / "db") == "[]"


def test_records_that_were_never_committed_are_seen_by_nobody(shared, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, collection, other = shared

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE collections SET record_count = 99")
        assert tell(other, "engine.count(collection)") == "20"
        connection.execute("UPDATE collections SET record_count = 20")

    engine.transactions.write(change)
    monkeypatch.setattr(chroma_nb.engine.transactions.writing.changelog, "record", broken)
    with pytest.raises(RuntimeError, match="after the records"):
        engine.add(collection, records(["a", "b"], [[1.0] * 8, [2.0] * 8]))
    assert agree(engine, collection) == eval(tell(other, "agree(engine, collection)"))


def broken(*_: object) -> None:
    raise RuntimeError("after the records were written")
