"""Searching by codes: the same slots and the same distances, to the last bit, as measuring every vector in float64."""

from __future__ import annotations

import sys
import threading
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds_of_vectors import KINDS, drawn, near

from chroma_nb.engine import threads
from chroma_nb.engine.index import certified, certified_batches, codes, int8_products
from chroma_nb.engine.index.certified import CertifiedIndex
from chroma_nb.engine.index.codes import Codes, Frame, Queries, sample_of
from chroma_nb.engine.index.distances import DISTANCES, norm_of
from chroma_nb.engine.index.exact import ExactIndex
from chroma_nb.engine.storage.vectors import norms_of

SPACES = ("l2", "cosine", "ip")
ROWS_PER_RESULT = certified.rows_per_result


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is made for large collections happens in those of the tests."""
    for name, value in {
        "SMALLEST_DIMENSION": 1,
        "FEWEST_ROWS": 1,
        "FEWEST_ROWS_FOR_A_BATCH": 1,
        "FEW_ALLOWED": 50,
        "NARROWED": 100,
        "LARGEST_LEFT": 0.9,
        "rows_per_result": lambda queries, *, gathered: 1,
        "_BYTES_OF_A_THREAD": 50_000,
        "_GATHERED": 300,
        "CODING_SECONDS": 0.0,
    }.items():
        monkeypatch.setattr(certified, name, value)
    monkeypatch.setattr(certified_batches, "_SAMPLE", 256)
    monkeypatch.setattr(codes, "BLOCK_ROWS", 1024)


@pytest.fixture(params=["with the library", "without it"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether there are products of int8."""
    if request.param == "without it":
        monkeypatch.setattr(int8_products, "library", lambda: None)
        return False
    pytest.importorskip("numkong")
    return True


def index_of(vectors: np.ndarray, space: str, kind: type[ExactIndex] = CertifiedIndex) -> Any:
    index = kind(space, vectors.shape[1])
    index.extend(np.arange(len(vectors)), norms_of(vectors), len(vectors))
    return index


def by_measuring(
    vectors: np.ndarray, query: np.ndarray, k: int, order: np.ndarray, space: str, allowed: np.ndarray
) -> tuple[list[int], list[float]]:
    """The oracle: every allowed vector in float64."""
    with np.errstate(all="ignore"):
        distances = DISTANCES[space].of(vectors[allowed].astype(np.float64), query.astype(np.float64))
    best = np.lexsort((order[allowed], distances))[:k]
    return allowed[best].tolist(), distances[best].tolist()


def check(
    index: ExactIndex, vectors: np.ndarray, queries: np.ndarray, k: int, order: np.ndarray, **narrower: Any
) -> int:
    """How many of the queries were answered by codes; every one is as the oracle says."""
    every = np.arange(len(vectors))
    allowed = narrower.get("among", every)
    if narrower.get("dead") is not None:
        allowed = np.flatnonzero(~narrower["dead"])
    assert isinstance(index, CertifiedIndex)
    found, by_codes = index.counted_search(vectors, queries, k, order, **narrower)
    for query, (slots, distances) in zip(queries, found, strict=True):
        expected = by_measuring(vectors, query, k, order, index.distance.space, allowed)
        assert (slots.tolist(), distances.tolist()) == expected
    return by_codes


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_one_query_and_many_find_what_measuring_everything_finds(kind: str, space: str, library: bool) -> None:
    vectors = drawn(kind, 2200, 1)
    n = len(vectors)
    queries, random = near(kind, vectors, 7, 2), np.random.default_rng(3)
    index, order = index_of(vectors, space), random.permutation(n)
    dead = random.random(n) < 0.3
    filters: list[dict[str, Any]] = [{}, {"dead": dead}]
    filters += [{"among": random.permutation(n)[: max(1, n // part)]} for part in (2, 5)]
    for narrower in filters:
        for k in sorted({1, min(10, n), n // 20 + 1} | ({n} if "dead" in narrower else set())):
            by_codes = check(index, vectors, queries, k, order, **narrower)
            for query in queries[:3]:
                by_codes += check(index, vectors, query[None], k, order, **narrower)
            assert library or not by_codes


@settings(max_examples=50, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    space=st.sampled_from(SPACES),
    seed=st.integers(0, 10_000),
    n=st.integers(1, 2500),
    k=st.integers(1, 60),
    count=st.sampled_from((1, 2, 3, 20)),
    share=st.sampled_from((None, 0.1, 0.6)),
    gone=st.sampled_from((0.0, 0.3, 0.99)),
    added=st.integers(0, 1200),
)
def test_any_collection_at_any_time(
    kind: str, space: str, seed: int, n: int, k: int, count: int, share: float | None, gone: float, added: int
) -> None:
    """Filters, deletions, and vectors that are added between two searches."""
    vectors = drawn(kind, n + added + 4, seed)
    queries, random = near(kind, vectors, count, seed + 1), np.random.default_rng(seed)
    first = max(1, len(vectors) - added)
    index = CertifiedIndex(space, vectors.shape[1])
    for start, end in ((0, first), (first, len(vectors))):
        if start < end:
            index.extend(np.arange(start, end), norms_of(vectors[start:end]), end)
        order = random.permutation(end)
        narrower: dict[str, Any] = {}
        if share is not None:
            narrower["among"] = np.flatnonzero(random.random(end) < share)
        elif gone:
            narrower["dead"] = random.random(end) < gone
        check(index, vectors[:end], queries, k, order, **narrower)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_bound_is_below_the_key_and_near_it(kind: str, space: str) -> None:
    """The proof, tried: in 80-bit numbers, for every row, also of a batch."""
    pytest.importorskip("numkong")
    vectors = drawn(kind, 2100, 4)
    made = Codes(Frame.chosen_for(space, sample_of(vectors, np.arange(len(vectors))), len(vectors))).extended(vectors)
    asked = near(kind, vectors, 6, 5)
    frame, queries = made.frame, Queries(made, asked)
    with np.errstate(all="ignore"):
        keys = true_keys(frame, vectors, asked)
        for number in np.flatnonzero(queries.usable):
            alone = certified._LowerBounds(
                [(block, None) for block in made.blocks], Queries(made, asked[[number]]), None
            )
            assert (alone._bounds[: len(vectors)] <= keys[number] + 1e-36).all()
        packed = int8_products.PackedQueries(queries.units)
        inverse = np.reciprocal(queries.steps)
        for block in made.blocks:
            products, margins = packed.products(block.codes), queries.margins(block)
            out = np.empty(products.shape, np.float32)
            bounds = certified_batches.lower_bounds(block, products, margins, inverse, out)
            over_t = (keys[:, block.first : block.end] / queries.steps.astype(np.longdouble)[:, None]).T
            slack = 1e-36 / queries.steps.astype(np.float64)
            assert (bounds <= over_t + slack)[:, queries.usable].all()
            upper = bounds + 2 * block.scales[:, None] * margins * (1 + 1e-5)
            upper += 2.1 * codes.SLACK * np.abs(block.biases)[:, None] * inverse
            coded = ~np.isneginf(bounds)
            assert ((upper >= over_t - slack) | ~coded)[:, queries.usable].all()


def true_keys(frame: Frame, vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """B - x'.r as the docstring of codes.py defines it, in the widest numbers there are; without rotation: it is 1."""
    wide = np.longdouble
    rows, asked = vectors.astype(wide), queries.astype(wide)
    lengths = np.sqrt((rows**2).sum(axis=1))
    if frame.space == "cosine":
        rows = rows / np.where(lengths > 0, lengths, 1)[:, None]
        of_queries = np.sqrt((asked**2).sum(axis=1))
        asked = asked / np.where(of_queries > 0, of_queries, 1)[:, None]
    centre = np.zeros(frame.dimension, wide) if frame.centre is None else frame.centre.astype(wide)
    seen, r = np.ldexp(rows - centre, frame.exponent), np.ldexp(asked - centre, frame.exponent)
    bias = -(seen @ np.ldexp(centre, frame.exponent)) if frame.space == "ip" else np.zeros(len(rows), wide)
    if frame.has_half_squares:
        bias = (seen**2).sum(axis=1) / 2
        if frame.space == "cosine":
            bias = bias + np.where(lengths > 0, wide(0), wide(0.5))
    return np.asarray(bias - r @ seen.T)


def test_what_codes_are_made_for_goes_by_codes() -> None:
    """Else every test here would pass by scanning."""
    pytest.importorskip("numkong")
    vectors = drawn("embeddings of text", 3000, 1)
    index, order = index_of(vectors, "cosine"), np.arange(3000)
    queries = near("embeddings of text", vectors, 12, 2)
    usable = [0, *range(2, 12)]  # one of them is zero
    assert check(index, vectors, queries, 10, order) == len(usable)
    assert check(index, vectors, queries[:1], 10, order) == 1
    assert check(index, vectors, queries[:1], 10, order, among=np.arange(0, 3000, 2)) == 1
    assert check(index, vectors, queries[:1], 10, order, among=np.arange(0, 3000, 10)) == 1


@pytest.mark.parametrize("faster", [False, True])
def test_as_many_results_are_wanted_as_codes_are_worth(faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The k nearest are measured one by one: beyond a share of the rows, small in batches, a scan takes less time."""
    pytest.importorskip("numkong")
    monkeypatch.setattr(certified, "rows_per_result", ROWS_PER_RESULT)
    monkeypatch.setattr(int8_products, "beat_float32", lambda: faster)
    vectors, order = drawn("embeddings of text", 8192, 1), np.arange(8192)
    index, queries = index_of(vectors, "cosine"), near("embeddings of text", vectors, 40, 2)[2:]
    for asked, most in ((queries[:1], 128), (queries[:8], 10 if faster else 4), (queries, 10 if faster else 2)):
        for k, by_codes in ((most, len(asked)), (most + 1, 0)):
            assert check(index, vectors, asked, k, order) == by_codes
            assert index.has_codes_for(len(asked), k) == bool(by_codes)
    half = np.arange(0, 8192, 2)
    assert index.has_codes_for(40, 64, 4096, gathered=True)  # each query would scan them for itself
    assert check(index, vectors, queries, 64, order, among=half[:1500]) == 0
    assert check(index, vectors, queries, 23, order, among=half[:1500]) == len(queries)


@pytest.mark.parametrize("count", [1, 5])
def test_codes_that_narrow_nothing_are_soon_left_alone_and_tried_again_later(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numkong")
    monkeypatch.setattr(certified, "NARROWED", 0)
    monkeypatch.setattr(certified, "LARGEST_LEFT", 0.0)  # one query
    monkeypatch.setattr(certified_batches, "_MOST_FOUND", 0)  # several
    monkeypatch.setattr(certified_batches, "_SAMPLE_PER_RESULT", 1)
    monkeypatch.setattr(certified_batches, "_PAIRS_BEFORE_NARROWING", 0)
    monkeypatch.setattr(certified, "_SCANS_BEFORE_TRIED_AGAIN", 40)
    vectors, order = drawn("no structure", 3000, 1), np.arange(3000)
    index, queries, tried = index_of(vectors, "l2"), near("no structure", vectors, count, 2), []
    codes_for = index._codes_for
    monkeypatch.setattr(index, "_codes_for", lambda *given: (tried.append(count), codes_for(*given))[1])
    while index.codes is None or index.has_codes_for(count, 5):
        assert check(index, vectors, queries, 5, order) < count
    assert 16 <= len(tried) * count <= 20
    for _ in range(40 // count):
        assert check(index, vectors, queries, 5, order) == 0
    assert len(tried) * count <= 20
    monkeypatch.setattr(certified, "LARGEST_LEFT", 0.9)
    monkeypatch.setattr(certified_batches, "_MOST_FOUND", 4096)
    assert index.has_codes_for(count, 5)
    assert check(index, vectors, queries, 5, order) == count


def test_queries_that_leave_a_batch_are_scanned_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one, each would read all codes."""
    pytest.importorskip("numkong")
    monkeypatch.setattr(certified_batches, "_MOST_FOUND", 1)
    monkeypatch.setattr(certified_batches, "_SAMPLE_PER_RESULT", 1)
    monkeypatch.setattr(certified_batches, "_PAIRS_BEFORE_NARROWING", 0)
    vectors, order = drawn("no structure", 3000, 1), np.arange(3000)
    index, alone = index_of(vectors, "l2"), []
    by_codes = index._nearest_by_codes
    monkeypatch.setattr(index, "_nearest_by_codes", lambda *given: (alone.append(1), by_codes(*given))[1])
    assert check(index, vectors, near("no structure", vectors, 12, 2), 5, order) <= 9
    assert not alone
    assert check(index, vectors, near("no structure", vectors, 2, 2), 5, order) == 2
    assert len(alone) == 2


@pytest.mark.parametrize(
    ("kind", "centred", "rotated"),
    [
        ("embeddings of text", False, False),
        ("far from the origin", True, False),
        ("two large coordinates", False, True),
    ],
)
def test_a_frame_is_what_the_vectors_call_for(kind: str, centred: bool, rotated: bool) -> None:
    vectors = drawn(kind, 3000, 1)
    frame = Frame.chosen_for("l2", sample_of(vectors, np.arange(3000)), 3000)
    assert (frame.centre is not None, frame.rotation is not None) == (centred, rotated)


@pytest.mark.parametrize("space", SPACES)
def test_rows_that_no_record_names_may_hold_anything(space: str) -> None:
    pytest.importorskip("numkong")
    vectors, order = drawn("loose clusters", 3000, 1), np.arange(3000)
    dead = np.zeros(3000, np.bool_)
    dead[100:140] = True
    vectors[100:110], vectors[110:120], vectors[120:130] = np.nan, np.inf, 3e38
    index = CertifiedIndex(space, 384)
    slots = np.flatnonzero(~dead)
    index.extend(slots, norms_of(vectors[slots]), 3000)
    queries = near("loose clusters", vectors[slots], 6, 2)
    assert check(index, vectors, queries, 5, order, dead=dead) > 3
    assert check(index, vectors, queries[:1], 5, order, dead=dead) == 1


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 3e38])
def test_a_query_that_is_no_number_or_too_long_is_scanned(wrong: float) -> None:
    vectors, order = drawn("loose clusters", 3000, 1), np.arange(3000)
    index, scan = index_of(vectors, "l2"), index_of(vectors, "l2", ExactIndex)
    queries = vectors[:4].copy()
    queries[1, 5] = wrong
    for asked in (queries, queries[1:2]):
        for mine, other in zip(
            index.search(vectors, asked, 5, order), scan.search(vectors, asked, 5, order), strict=True
        ):
            np.testing.assert_array_equal(mine[0], other[0])
            np.testing.assert_array_equal(mine[1], other[1])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), dimension=st.integers(1, 70), space=st.sampled_from(SPACES))
def test_pairs_are_measured_as_one_query_is_to_the_last_bit(seed: int, n: int, dimension: int, space: str) -> None:
    random = np.random.default_rng(seed)
    rows, queries = random.normal(size=(n, dimension)), random.normal(size=(n, dimension))
    form = DISTANCES[space].in_codes
    assert form is not None
    together = form.of_pairs(rows, queries, np.array([norm_of(query) for query in queries]))
    alone = [DISTANCES[space].of(rows, query)[number] for number, query in enumerate(queries)]
    assert together.tolist() == alone


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("dimension", "coded"), [(4096, True), (4097, False)])
def test_vectors_have_codes_up_to_4096_dimensions(dimension: int, coded: bool, space: str) -> None:
    """The largest products there are, of coordinates all alike, among them; above nothing is proved."""
    pytest.importorskip("numkong")
    random, order = np.random.default_rng(0), np.arange(300)
    vectors = random.normal(size=(300, dimension)).astype(np.float32)
    vectors[100:200] = np.sign(vectors[100:200])
    vectors[200:] = 1 + 1e-3 * vectors[200:]
    index = index_of(vectors, space)
    for queries in (vectors[:5], vectors[150:155] * np.float32(1.01), vectors[250:255]):
        found = [check(index, vectors, asked, 7, order) for asked in (queries, queries[:1])]
        assert coded or found == [0, 0]
    assert (index.codes is not None) == coded


def test_codes_are_made_when_scanning_has_cost_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numkong")
    monkeypatch.setattr(certified, "CODING_SECONDS", 10.5 * certified._SCAN_SECONDS)
    vectors, order = drawn("no structure", 3000, 1), np.arange(3000)
    index = index_of(vectors, "l2")
    by_codes = [index.counted_search(vectors, vectors[:1], 3, order)[1] for _ in range(12)]
    assert by_codes == [0] * 10 + [1, 1]


def test_few_rows_or_dimensions_are_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certified, "FEWEST_ROWS", 4000)
    vectors = drawn("no structure", 3000, 1)
    index = index_of(vectors, "l2")
    assert index.counted_search(vectors, vectors[:1], 3, np.arange(3000))[1] == 0
    assert index.codes is None


def test_a_collection_that_has_grown_fourfold_gets_another_frame() -> None:
    pytest.importorskip("numkong")
    vectors, order = drawn("no structure", 3000, 1), np.arange(3000)
    vectors[700:] += 50
    index = index_of(vectors[:700], "l2")
    index.search(vectors[:700], vectors[:1], 3, order[:700])
    assert index.codes.frame.centre is None
    index.extend(np.arange(700, 3000), norms_of(vectors[700:]), 3000)
    check(index, vectors, vectors[:1], 3, order)
    assert index.codes.frame.centre is not None


@pytest.mark.parametrize("space", SPACES)
def test_vectors_that_are_too_long_for_their_frame_are_always_measured(space: str) -> None:
    pytest.importorskip("numkong")
    vectors, order = drawn("no structure", 3000, 1), np.arange(3000)
    vectors[2900:] *= np.float32(1e12)
    index = index_of(vectors[:2900], space)
    index.search(vectors[:2900], vectors[:1], 3, order[:2900])
    index.extend(np.arange(2900, 3000), norms_of(vectors[2900:]), 3000)
    queries = np.concatenate([near("no structure", vectors[:2900], 6, 2), vectors[2950:2953]])
    for k in (1, 10, 150):
        check(index, vectors, queries, k, order)
        for query in queries:
            check(index, vectors, query[None], k, order)
    uncoded = np.concatenate([np.isneginf(block.biases) for block in index.codes.blocks])
    assert uncoded.sum() == (0 if space == "cosine" else 100)


def test_codes_that_grow_do_not_change_those_that_are_being_searched() -> None:
    vectors = drawn("no structure", 3000, 1)
    frame = Frame.chosen_for("l2", sample_of(vectors, np.arange(3000)), 3000)
    few = Codes(frame).extended(vectors[:1500])
    before = [(block.codes.copy(), block.scales.copy()) for block in few.blocks]
    many = few.extended(vectors)
    assert [len(block) for block in few.blocks] == [1024, 476]
    assert [len(block) for block in many.blocks] == [1024, 1024, 952]
    for block, (units, scales) in zip(few.blocks, before, strict=True):
        assert (block.codes == units).all()
        assert (block.scales == scales).all()
    anew = Codes(frame).extended(vectors)
    assert all((mine.codes == other.codes).all() for mine, other in zip(many.blocks, anew.blocks, strict=True))


def test_a_search_does_not_wait_for_who_is_making_codes() -> None:
    pytest.importorskip("numkong")
    vectors, order = drawn("no structure", 3000, 1), np.arange(3000)
    index = index_of(vectors, "l2")
    held, over = threading.Event(), threading.Event()

    def make() -> None:
        with index._coding:
            held.set()
            over.wait(60)

    thread = threading.Thread(target=make)
    thread.start()
    held.wait(60)
    assert check(index, vectors, vectors[:1], 3, order) == 0
    over.set()
    thread.join()
    assert check(index, vectors, vectors[:1], 3, order) == 1


def test_making_codes_can_be_cancelled() -> None:
    vectors = drawn("no structure", 3000, 1)
    index = index_of(vectors, "l2")
    assert not index.make_codes(vectors, lambda: True)
    assert index.codes is None
    assert index.make_codes(vectors)


@pytest.mark.parametrize("count", [1, 12])
def test_a_search_in_the_middle_of_the_librarys_import_scans_and_the_next_does_not(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler or a finalizer, while ``import numkong`` runs below it on the stack."""
    library = pytest.importorskip("numkong")
    begun = ModuleType("numkong")
    begun.__spec__ = ModuleSpec("numkong", None)
    begun.__spec__._initializing = True  # type: ignore[attr-defined]
    int8_products._imported.cache_clear()
    vectors, order = drawn("no structure", 3000, 1), np.arange(3000)
    index, queries = index_of(vectors, "l2"), near("no structure", vectors, count, 2)
    with monkeypatch.context() as within:
        within.setitem(sys.modules, "numkong", begun)
        assert check(index, vectors, queries, 5, order) == 0
    assert int8_products.library() is library
    assert check(index, vectors, queries, 5, order) == count


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupt_leaves_an_index_that_searches(at: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two blocks, in whichever thread: the caller is interrupted, and the next search is as ever."""
    pytest.importorskip("numkong")
    vectors, order = drawn("no structure", 3000, 1), np.arange(3000)
    index, queries = index_of(vectors, "l2"), near("no structure", vectors, count, 2)
    done: list[int] = []
    for owner in (int8_products, int8_products.PackedQueries):
        products = owner.products

        def interrupted(*given: Any, products: Any = products) -> Any:
            done.append(1)
            if len(done) == at:
                raise KeyboardInterrupt
            return products(*given)

        monkeypatch.setattr(owner, "products", interrupted)
    with pytest.raises(KeyboardInterrupt):
        index.search(vectors, queries, 5, order)
    check(index, vectors, queries, 5, order)


@pytest.mark.parametrize("count", [1, 12])
def test_threads_find_what_one_finds(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numkong")
    monkeypatch.setattr(threads, "usable_processors", lambda: 4)
    monkeypatch.setattr(threads, "_pool", None)
    vectors, order = drawn("loose clusters", 8000, 1), np.arange(8000)
    index, queries = index_of(vectors, "cosine"), near("loose clusters", vectors, count, 2)
    used = set()
    owner = int8_products if count == 1 else int8_products.PackedQueries
    products = owner.products
    monkeypatch.setattr(owner, "products", lambda *given: (used.add(threading.get_ident()), products(*given))[1])
    for _ in range(20):
        check(index, vectors, queries, 5, order)
    assert len(used) > 1
    threads._pool.shutdown()


def test_products_of_the_library_are_integers_and_count_no_reference() -> None:
    """Every dimension that is stored may come; the extremes do not saturate."""
    pytest.importorskip("numkong")
    random = np.random.default_rng(0)
    for dimension in [*range(1, 140), 384, 1040, 1536, 4096]:
        for rows in (random.integers(-127, 128, (5, dimension), dtype=np.int8), np.full((5, dimension), -127, np.int8)):
            queries = np.full((3, dimension), 127, np.int8)
            queries[1:] = random.integers(-127, 128, (2, dimension))
            expected = rows.astype(np.int64) @ queries.astype(np.int64).T
            packed = int8_products.PackedQueries(queries)
            assert (packed.products(rows) == expected).all()
            assert (packed.products(rows, packed.room(5)) == expected).all()
            one = int8_products.products(queries[0], rows).astype(np.int64)
            assert (np.abs(one - expected[:, 0]) <= np.abs(expected[:, 0]) * 2.0**-24).all()
    room = packed.room(5)

    def work() -> None:
        for _ in range(5000):
            int8_products.products(queries[0], rows)
            packed.products(rows, room_of_mine := packed.room(5))
            packed.products(rows)
            del room_of_mine

    watched = [None, rows, queries, room]
    before = [sys.getrefcount(one) for one in watched]
    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    after = [sys.getrefcount(one) for one in watched]
    assert np.abs(np.subtract(after, before)).max() < 100
