"""Work in parts: every element once, failures told, forks and the interpreter's end survived."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb.engine import threads
from chroma_nb.engine.index.exact import ExactIndex


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "usable_processors", lambda: 4)
    monkeypatch.setattr(threads, "_pool", None)
    yield
    if threads._pool is not None:
        threads._pool.shutdown()


@given(length=st.integers(0, 300), smallest=st.integers(0, 60))
def test_every_place_is_worked_on_once(length, smallest):
    counts = np.zeros(length, np.int64)

    def work(start, stop):
        counts[start:stop] += 1

    threads.in_parts(length, smallest, work)
    assert (counts == 1).all()


def test_parts_are_not_smaller_than_asked():
    sizes = []
    threads.in_parts(100, 40, lambda start, stop: sizes.append(stop - start))
    assert sorted(sizes) == [50, 50]


def test_few_elements_stay_in_this_thread():
    seen = []
    threads.in_parts(10, 10, lambda start, stop: seen.append(threading.get_ident()))
    assert seen == [threading.get_ident()]
    assert threads._pool is None


@pytest.mark.parametrize("failing", [0, 1, 3])
def test_a_failure_in_any_part_is_the_callers(failing):
    def work(start, stop):
        if start == failing:
            raise ArithmeticError("part")

    with pytest.raises(ArithmeticError, match="part"):
        threads.in_parts(4, 1, work)


@pytest.mark.parametrize("failing", [0, 3])
def test_who_fails_stops_the_others_at_their_next_slice(failing):
    """Each of the others goes on until it hears of it: without that they would never end."""
    halt = threads.Halt()

    def work(start, stop):
        if start == failing:
            raise KeyboardInterrupt
        while not halt.is_asked:
            pass

    with pytest.raises(KeyboardInterrupt):
        threads.in_parts(4, 1, work, halt)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads")
def test_an_interrupt_while_the_others_are_waited_for_stops_them():
    halt, main, ended = threads.Halt(), threading.main_thread().ident, []

    def work(start, stop):
        if start == 0:
            return  # the caller's part: it waits from now on
        while start == 3 and sys._current_frames()[main].f_code.co_name != "wait":
            pass
        if start == 3:
            time.sleep(0.1)  # a signal just before it sleeps would be handled when it wakes
            signal.pthread_kill(main, signal.SIGUSR1)
        end = time.monotonic() + 20
        while not halt.is_asked and time.monotonic() < end:
            pass
        ended.append(halt.is_asked)

    # A signal of its own: SIGINT is ignored where the tests were started in the background.
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            threads.in_parts(4, 1, work, halt)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended == [True, True, True]


def test_who_waits_does_the_work_that_nobody_began():
    busy = threading.Event()
    for _ in range(3):
        threads._threads().submit(busy.wait)
    seen = []
    threads.in_parts(4, 1, lambda start, stop: seen.append((start, threading.get_ident())))
    busy.set()
    assert sorted(seen) == [(start, threading.get_ident()) for start in range(4)]


def test_a_scan_in_threads_is_the_scan_in_one(monkeypatch):
    random = np.random.default_rng(3)
    vectors = random.normal(size=(120_000, 24)).astype(np.float32)
    order = np.arange(len(vectors))
    index = ExactIndex("l2", 24)
    index.extend(order, np.linalg.norm(vectors.astype(np.float64), axis=1), len(vectors))
    some = np.sort(random.permutation(len(vectors))[:100_000])

    def answers():
        whole = index.search(vectors, vectors[:1] + 0.01, 7, order)[0]
        gathered = index.search(vectors, vectors[:1] + 0.01, 7, order, among=some)[0]
        return [*whole, *gathered]

    asked, pool = [], threads._threads
    monkeypatch.setattr(threads, "_threads", lambda: asked.append(1) or pool())
    side_by_side = answers()
    assert len(asked) == 1 + 3, "given away: one of two parts of the scan, three of four of the gather"
    monkeypatch.setattr(threads, "usable_processors", lambda: 1)
    for mine, alone in zip(side_by_side, answers(), strict=True):
        np.testing.assert_array_equal(mine, alone)


AT_EXIT = """
import atexit, sys
from chroma_nb.engine import threads
threads.usable_processors = lambda: 4
if "used" in sys.argv:
    threads.in_parts(4, 1, lambda start, stop: None)
atexit.register(lambda: threads.in_parts(4, 1, lambda start, stop: print(start)))
"""


@pytest.mark.parametrize(("pool", "parts"), [("used", ["0", "1", "2", "3"]), ("never used", None)])
def test_the_interpreters_end_is_survived(pool, parts):
    ended = subprocess.run([sys.executable, "-c", AT_EXIT, pool], capture_output=True, text=True, timeout=60)
    assert ended.stderr == ""
    assert sorted(ended.stdout.split()) == parts or (parts is None and "0" in ended.stdout)


LEFT_OPEN = """
import sys
import chroma_nb
client = chroma_nb.PersistentClient(sys.argv[1])
client.create_collection("left-open", embedding_function=None).add(ids=["a"], embeddings=[[1, 2]])
"""


def test_a_client_that_is_left_open_is_closed_in_silence_when_python_ends(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN, tmp_path / "db"], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert not (tmp_path / "db" / "chroma_nb.sqlite3-wal").exists(), "the last connection was closed"


IN_A_CHILD = """
import os
from chroma_nb.engine import threads
threads.usable_processors = lambda: 4
threads.in_parts(4, 1, lambda start, stop: None)
child = os.fork()
if not child:
    done = []
    threads.in_parts(4, 1, lambda start, stop: done.append(start))
    os._exit(0 if sorted(done) == [0, 1, 2, 3] else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_threads_of_its_own():
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", IN_A_CHILD]
    assert subprocess.run(command, timeout=60).returncode == 0
