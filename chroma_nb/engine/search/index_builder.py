"""The background thread that writes files of rows and words and builds codes and HNSW indexes.

``planner.py`` says when an HNSW index is worth it. A collection is queued after writes, and when its exact searches
have taken long enough. The first request starts the thread. It loads codes and the HNSW index from their cache files
or builds them in chunks. It is stopped and joined when the engine closes or the process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from chroma_nb import _locks
from chroma_nb._processors import may_use_threads
from chroma_nb.engine import threads
from chroma_nb.engine.index.certified import codes_pay
from chroma_nb.engine.index.codes import BLOCK_ROWS
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.memory.collection import CollectionInMemory
from chroma_nb.engine.search import planner
from chroma_nb.engine.storage.cache_files import CODES, path_of
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.errors import ChromaError

#: Seconds without a write before a large collection is indexed without a query.
IDLE_SECONDS: Final = 2.0


class IndexBuilder:
    """Builds the files of rows, the codes and the HNSW indexes of one engine, one after the other, in one thread.

    ``build`` is a method that builds those of a collection until it is stopped; its object is referenced
    weakly, so that the thread does not keep an engine alive. ``cache`` is the directory in which they are saved.
    """

    def __init__(self, build: Callable[[UUID, Callable[[], bool]], object], cache: Path | None) -> None:
        self._builds = weakref.WeakMethod(build)
        self._cache = cache
        self._mutex = _locks.Lock()  # entered directly, not through the condition: see _locks.py
        self._changed = threading.Condition(self._mutex)
        self._due: dict[str, tuple[float, CollectionRow, CollectionInMemory]] = {}
        self._stopping = False
        self._working = False
        self._thread: threading.Thread | None = None

    def written(self, row: CollectionRow, memory: CollectionInMemory) -> None:
        """A call changed this collection: consider it again when it has been idle for a while."""
        if self._lacks_stored_rows(memory) or (
            memory.searchable >= planner.BATCH_ROWS and (wants_graph(row, memory) or lacks_codes(row, memory))
        ):
            self._request(row, memory, IDLE_SECONDS)

    def loaded(self, row: CollectionRow, memory: CollectionInMemory) -> None:
        """A collection was loaded: its codes and its HNSW index may be in the cache."""
        codes = lacks_codes(row, memory)
        codes = codes and (memory.searchable >= planner.BATCH_ROWS or self._is_coded(row))
        if memory.searchable and (codes or lacks_graph(row, memory)) and self._is_cached(row):
            self._request(row, memory, 0.0)
        elif memory.searchable and (codes or wants_graph(row, memory) or self._lacks_stored_rows(memory)):
            self._request(row, memory, IDLE_SECONDS)

    def compacted(self, row: CollectionRow, memory: CollectionInMemory, *, at_once: bool) -> None:
        """The slots were renumbered, and the HNSW index was dropped; ``at_once``: there was one."""
        if at_once and wants_graph(row, memory):
            self._request(row, memory, 0.0)

    def consider(self, row: CollectionRow, memory: CollectionInMemory) -> None:
        """A query was run: start a build when exact searches have cost their share of it."""
        if memory.next_slot >= BLOCK_ROWS and row.id not in self._due and lacks_codes(row, memory):
            if memory.exact is not None and memory.exact.is_coding_due:
                self._request(row, memory, 0.0)
            elif memory.searchable >= planner.BATCH_ROWS:
                self._request(row, memory, IDLE_SECONDS)
        if row.id not in self._due and _has_paid_for_graph(row, memory) and wants_graph(row, memory):
            self._request(row, memory, 0.0)

    def consider_words(self, row: CollectionRow, memory: CollectionInMemory) -> None:
        """Words were searched: the word index is saved at once, since the process may end soon."""
        if self._cache is not None and row.id not in self._due and memory.lacks_stored_words():
            self._request(row, memory, 0.0)

    def _lacks_stored_rows(self, memory: CollectionInMemory) -> bool:
        return self._cache is not None and memory.lacks_stored_rows()

    def _is_cached(self, row: CollectionRow) -> bool:
        return self._is_coded(row) or (self._cache is not None and any(self._cache.glob("*.json")))

    def _is_coded(self, row: CollectionRow) -> bool:
        return self._cache is not None and path_of(self._cache, row.id, row.generation, CODES).exists()

    def _request(self, row: CollectionRow, memory: CollectionInMemory, delay: float) -> None:
        with self._mutex:
            if self._stopping:
                return
            known, due = self._due.get(row.id), time.monotonic() + delay
            self._due[row.id] = (due, row, memory)
            if not self._is_started():
                self._thread = threading.Thread(target=self._run, name="chroma_nb indexes", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # the system has no thread left: searches scan, and the next call tries again
                    del self._due[row.id]
                    return
                atexit.register(_stop_at_exit, weakref.ref(self))
            if known is None or due < known[0]:  # else the thread wakes up at the time planned before
                self._changed.notify_all()

    def _is_started(self) -> bool:
        """Whether the thread runs; one whose start failed, or was interrupted, does not."""
        return self._thread is not None and self._thread.ident is not None

    def _run(self) -> None:
        threads.THIS.ours = True
        try:
            while (ident := self._next()) is not None and (build := self._builds()) is not None:
                self._build(build, ident)
                del build
        finally:  # whatever ended the thread, the next request starts another
            with self._mutex:
                self._thread, self._working = None, False
                self._changed.notify_all()

    def _next(self) -> str | None:
        """The next collection that is due; None if the thread should end."""
        with self._mutex:
            while not self._stopping:
                if not self._due:
                    self._changed.wait(timeout=60.0)
                    if not self._due and self._builds() is None:
                        return None
                    continue
                ident = min(self._due, key=lambda key: self._due[key][0])
                remaining = self._due[ident][0] - time.monotonic()
                if remaining <= 0:
                    _, row, memory = self._due.pop(ident)
                    files = self._lacks_stored_rows(memory) or memory.lacks_stored_words()
                    if _is_good(memory) and not (lacks_codes(row, memory) or files):
                        continue
                    self._working = True
                    return ident
                self._changed.wait(timeout=remaining)
            return None

    def _build(self, build: Callable[[UUID, Callable[[], bool]], object], ident: str) -> None:
        try:
            build(UUID(ident), lambda: self._stopping)
        except (ChromaError, Warning):  # deleted, closed or damaged meanwhile: the next call says so to its caller
            pass
        except Exception as error:  # noqa: BLE001  an index is an accelerator: searching goes on exactly
            if not self._stopping:
                with contextlib.suppress(Warning):  # no caller could catch it if warnings are errors
                    warnings.warn(
                        f"The HNSW index could not be built ({error}). chroma_nb searches exactly instead.",
                        stacklevel=1,
                    )
        finally:
            with self._mutex:
                self._working = False
                self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait until no work is left; False if that takes longer than ``timeout`` seconds."""
        end = time.monotonic() + timeout
        with self._mutex:
            while (self._due or self._working) and not self._stopping:
                remaining = end - time.monotonic()
                if remaining <= 0:
                    return False
                self._changed.wait(timeout=remaining)
        return True

    def stop(self) -> None:
        """End the thread and wait for it (at most one chunk of a build)."""
        with self._mutex:
            self._stopping = True
            self._due.clear()
            self._changed.notify_all()
        # In the middle of a scan (a finalizer closes another database) the thread may wait for the scan's pool.
        thread = self._thread if self._is_started() else None
        if thread is not None and thread is not threading.current_thread() and may_use_threads():
            thread.join()


def lacks_graph(row: CollectionRow, memory: CollectionInMemory) -> bool:
    """Whether a collection has no current HNSW index and is large enough for one. Below CODED_ROWS codes are enough."""
    if row.dimension is None or memory.searchable * row.dimension * 4 < planner.SMALLEST_GRAPH_BYTES:
        return False
    if memory.searchable < planner.CODED_ROWS and _codes_will_do(row, memory):
        return False
    return HnswIndex.available() and not _is_good(memory)


def wants_graph(row: CollectionRow, memory: CollectionInMemory) -> bool:
    """Whether an HNSW index should be built: at once if searches would scan, with codes when they have paid for it.

    A build keeps a processor busy for half a minute and more. One that was paid for is repeated when it is outdated.
    """
    paid = memory.had_graph or _has_paid_for_graph(row, memory)
    return lacks_graph(row, memory) and (paid or not _codes_will_do(row, memory))


def _has_paid_for_graph(row: CollectionRow, memory: CollectionInMemory) -> bool:
    return memory.exact_seconds > 0.0 and planner.worth_building(
        live=memory.searchable, dimension=row.dimension or 1, exact_seconds=memory.exact_seconds
    )


def _codes_will_do(row: CollectionRow, memory: CollectionInMemory) -> bool:
    exact = memory.exact
    if exact is None or exact.codes is None:  # codes are computed first
        return codes_pay(row.parameters.space, memory.next_slot, row.dimension or 0)
    return exact.has_codes_for(1, planner.USUAL_RESULTS)


def lacks_codes(row: CollectionRow, memory: CollectionInMemory) -> bool:
    """Whether more vectors are without codes than a search would code itself."""
    if row.dimension is None or not codes_pay(row.parameters.space, memory.next_slot, row.dimension):
        return False
    codes = None if memory.exact is None else memory.exact.codes
    return memory.next_slot - (0 if codes is None else codes.end) >= BLOCK_ROWS


def _is_good(memory: CollectionInMemory) -> bool:
    graph = memory.graph
    if graph is None:
        return False
    close = planner.is_close(tail=memory.next_slot - graph.covers, live=memory.searchable)
    return close and graph.dead <= planner.LARGEST_DEAD * (graph.count + graph.dead)


def _stop_at_exit(builder: weakref.ref[IndexBuilder]) -> None:
    alive = builder()
    if alive is not None:
        with contextlib.suppress(RuntimeError):
            alive.stop()
