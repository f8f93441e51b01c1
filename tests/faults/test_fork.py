"""A forked child of a process that has a database open: both go on, with files and in memory."""

from __future__ import annotations

import pytest
from child_process import run

#: The child counts, queries, adds and opens a client of its own; then the parent goes on.
FORKED = """
import chroma_nb, signal
place = sys.argv[1]
def client():
    return chroma_nb.EphemeralClient() if place == "memory" else chroma_nb.PersistentClient(place)
c = client()
words = c.create_collection("words", embedding_function=None)
given = numbered(0, 30)
words.add(ids=given.ids, embeddings=given.embeddings, documents=given.documents, metadatas=given.metadatas)
words.query(query_embeddings=[numbered_vector(3)], n_results=2)
child = os.fork()
if not child:
    signal.alarm(20)  # a child that hangs dies of it
    status = 1
    try:
        assert words.count() in (30, 31)  # the parent goes on meanwhile
        assert words.query(query_embeddings=[numbered_vector(3)], n_results=1)["ids"] == [["r3"]]
        assert words.get(where={"number": 7})["ids"] == ["r7"]
        words.add(ids=["child"], embeddings=[numbered_vector(900)])
        assert words.query(query_embeddings=[numbered_vector(900)], n_results=1)["ids"] == [["child"]]
        mine = client().get_collection("words", embedding_function=None)
        assert mine.count() >= 31
        assert c.verify() == []
        if place != "memory":
            other = chroma_nb.PersistentClient(place + "-other")
            other.create_collection("new", embedding_function=None).add(ids=["a"], embeddings=[[1.0, 2.0]])
            other.close()
        status = 0
    finally:
        if status:
            import traceback
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(status)
words.add(ids=["parent"], embeddings=[numbered_vector(901)])
assert os.waitpid(child, 0)[1] == 0
expected = {"parent"} if place == "memory" else {"parent", "child"}
assert set(words.get()["ids"]) - set(given.ids) == expected
assert words.query(query_embeddings=[numbered_vector(901)], n_results=1)["ids"] == [["parent"]]
words.delete(ids=["parent"])
assert c.verify() == []
c.close()
print("both went on")
"""


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_child_and_parent_both_go_on(place: str, tmp_path) -> None:
    assert run(FORKED, "memory" if place == "memory" else tmp_path / "db") == "both went on"


def test_a_child_that_ends_normally_does_not_take_the_parents_locks_with_it(tmp_path) -> None:
    script = """
    import sqlite3
    engine = SharedEngine.open(Path(sys.argv[1]))
    collection = create(engine)
    engine.add(collection, numbered(0, 5))
    for _ in range(3):
        child = os.fork()
        if not child:
            assert engine.count(collection) >= 5
            engine.close()
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        engine.add(collection, numbered(10 + _, 1))
        assert (Path(sys.argv[1]) / "chroma_nb.sqlite3-wal").exists()  # the child has not tidied it away
    print(len(agree(engine, collection)), engine.verify())
    """
    assert run(script, tmp_path / "db") == "8 []"


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_a_pool_of_workers_queries_what_the_parent_opened(place: str, tmp_path) -> None:
    script = """
    import multiprocessing
    engine = SharedEngine.open(None if sys.argv[1] == "memory" else Path(sys.argv[1]))
    collection = create(engine)
    engine.add(collection, numbered(0, 50))
    def ask(number):
        return nearest(engine, collection, numbered_vector(number), 1)[0]
    if __name__ == "__main__":
        with multiprocessing.get_context("fork").Pool(4) as pool:
            assert pool.map(ask, range(50)) == [f"r{number}" for number in range(50)]
        engine.add(collection, numbered(50, 1))
        print(len(agree(engine, collection)))
        engine.close()
    """
    assert run(script, "memory" if place == "memory" else tmp_path / "db") == "51"


def test_a_fork_while_other_threads_write_leaves_the_child_usable(tmp_path) -> None:
    script = """
    import signal, threading, time
    engine = SharedEngine.open(None if sys.argv[1] == "memory" else Path(sys.argv[1]))
    collection = create(engine)
    engine.add(collection, numbered(0, 50))
    over = threading.Event()
    def write(me):
        number = 1000 * me
        while not over.is_set():
            engine.add(collection, numbered(number, 3))
            nearest(engine, collection, numbered_vector(number), 2)
            number += 3
    writers = [threading.Thread(target=write, args=(me,), daemon=True) for me in (1, 2, 3)]
    for writer in writers:
        writer.start()
    for round in range(8):
        child = os.fork()
        if not child:
            signal.alarm(20)
            ok = nearest(engine, collection, numbered_vector(7), 1) == ["r7"]
            engine.add(collection, numbered(90_000 + round, 1))
            ok = ok and nearest(engine, collection, numbered_vector(90_000 + round), 1) == [f"r{90_000 + round}"]
            os._exit(0 if ok and engine.verify() == [] else 1)
        assert os.waitpid(child, 0)[1] == 0, round
    over.set()
    for writer in writers:
        writer.join()
    ids = agree(engine, collection)
    print(engine.verify(), sum(int(ident[1:]) >= 90_000 for ident in ids))
    engine.close()
    """
    assert run(script, "memory") == "[] 0"
    assert run(script, tmp_path / "db") == "[] 8"


def test_a_child_forked_while_another_thread_opens_a_directory_can_open_one(tmp_path) -> None:
    script = """
    import signal, threading, chroma_nb
    from chroma_nb.engine.storage import directory
    make, reached, forked = directory.make, threading.Event(), threading.Event()
    def slow(path):
        if path.name == "slow":
            reached.set()
            forked.wait(20)
        make(path)
    directory.make = slow
    thread = threading.Thread(target=lambda: chroma_nb.PersistentClient(sys.argv[1] + "/slow").close())
    thread.start()
    reached.wait(20)
    child = os.fork()
    if not child:
        signal.alarm(20)  # a child that hangs dies of it
        status = 1
        try:
            chroma_nb.PersistentClient(sys.argv[1] + "/other").create_collection("birds", embedding_function=None)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    forked.set()
    thread.join()
    print("opened")
    """
    assert run(script, tmp_path) == "opened"


def test_a_database_that_is_gone_keeps_no_other_from_a_forked_child(tmp_path) -> None:
    script = """
    import shutil, signal, chroma_nb
    clients = [chroma_nb.PersistentClient(f"{sys.argv[1]}/{number}") for number in range(8)]
    birds = [client.create_collection("birds", embedding_function=None) for client in clients]
    for number in range(0, 8, 2):
        shutil.rmtree(f"{sys.argv[1]}/{number}")
    child = os.fork()
    if not child:
        signal.alarm(20)  # a child that hangs dies of it
        status = 1
        try:
            for number in range(1, 8, 2):
                assert clients[number].count_collections() == 1
                birds[number].add(ids=["wren"], embeddings=[[1.0, 0.0]])
            for number in range(0, 8, 2):
                try:
                    birds[number].add(ids=["wren"], embeddings=[[1.0, 0.0]])
                except chroma_nb.errors.ChromaError as error:
                    assert sys.argv[1] in str(error), error
                clients[number].close()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    print([birds[number].count() for number in range(1, 8, 2)])
    """
    assert run(script, tmp_path) == "[1, 1, 1, 1]"
