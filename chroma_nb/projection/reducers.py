"""From vectors to two or three coordinates: one row of REDUCERS a method.

umap-learn and scikit-learn are loaded by the methods that need them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Final, TypeVar

import numpy as np

from chroma_nb import _locks
from chroma_nb._optional import require
from chroma_nb.projection.neighbours import Neighbours, Report, exact
from chroma_nb.types import Matrix

T = TypeVar("T")
#: Neighbours that UMAP looks at, the record itself included.
N_NEIGHBOURS: Final = 15
#: Below this many records UMAP shows nothing that PCA does not.
FEWEST: Final = 16
#: Points that PCA takes at a time.
_ROWS: Final = 4_096
#: Beyond this many records 100 epochs give the same map as the default of several hundred.
_MANY: Final = 5_000


@dataclass(frozen=True)
class Reducer:
    """A method: how it runs, and whether it needs neighbours and takes long.

    ``reduce(points, neighbours, dims, seed, report)`` gives float32 of shape (n, dims).
    """

    name: str
    reduce: Callable[[Matrix, Neighbours | None, int, int, Report], Matrix]
    needs_neighbours: bool = False
    slow: bool = False
    package: str | None = None


def pca(
    points: Matrix,
    neighbours: Neighbours | None = None,
    dims: int = 2,
    seed: int = 42,
    report: Report = lambda share: None,
) -> Matrix:
    """The directions in which the points differ most. Exact, at once, the same on every run.

    >>> pca(np.array([[0, 0], [1, 0], [5, 0]], np.float32)).round(3).tolist()
    [[-2.0, 0.0], [-1.0, 0.0], [3.0, 0.0]]
    """
    count = len(points)
    coordinates = np.zeros((count, dims), np.float32)
    if count < 2 or points.shape[1] == 0:
        return coordinates
    centre = points.mean(axis=0, dtype=np.float64)
    parts = [slice(start, start + _ROWS) for start in range(0, count, _ROWS)]  # no second copy of all of them
    wide = points.shape[1] > count
    if wide:
        centred = points - centre
        square = centred @ centred.T
    else:
        square = np.zeros((points.shape[1], points.shape[1]))
        for part in parts:
            centred = points[part] - centre
            square += centred.T @ centred
    values, vectors = np.linalg.eigh(square)
    keep = min(dims, len(values))
    values, vectors = values[::-1][:keep], vectors[:, ::-1][:, :keep]
    if wide:
        found = vectors * np.sqrt(np.maximum(values, 0))
    else:
        found = np.concatenate([(points[part] - centre) @ vectors for part in parts])
    found[:, values <= values[0] * 1e-12] = 0  # rounding, not a direction
    # An eigenvector may point either way: the point farthest out gets a positive coordinate.
    farthest = found[np.argmax(np.abs(found), axis=0), np.arange(keep)]
    coordinates[:, :keep] = found * np.where(farthest < 0, -1, 1)
    report(1.0)
    return coordinates


def umap(
    points: Matrix, neighbours: Neighbours | None, dims: int = 2, seed: int = 42, report: Report = lambda share: None
) -> Matrix:
    """UMAP over neighbours found before, from a PCA start; the same on every run on one machine."""
    if neighbours is None:
        raise ValueError("umap needs neighbours: pass neighbours.exact(points, N_NEIGHBOURS)")
    package = require("umap.umap_", feature="a UMAP map", package="umap-learn")
    points = _wide_enough(points, dims)
    # The steps of its class, without what that adds for later calls of transform: a search index, warnings.
    a, b = package.find_ab_params(spread=1.0, min_dist=0.1)
    with _ONE_AT_A_TIME, _reporting(report):
        graph, _, _ = package.fuzzy_simplicial_set(
            points,
            neighbours.rows.shape[1],
            np.random.RandomState(seed),
            metric="euclidean",
            knn_indices=neighbours.rows,
            knn_dists=neighbours.distances,
        )
        coordinates, _ = package.simplicial_set_embedding(
            points,
            graph,
            n_components=dims,
            initial_alpha=1.0,
            a=a,
            b=b,
            gamma=1.0,
            negative_sample_rate=5,
            n_epochs=100 if len(points) > _MANY else None,
            init="pca",
            random_state=np.random.RandomState(seed),
            metric="euclidean",
            metric_kwds={},
            densmap=False,
            densmap_kwds={},
            output_dens=False,
            tqdm_kwds={"disable": False},
        )
    return np.ascontiguousarray(coordinates, np.float32)


def _wide_enough(points: Matrix, dims: int) -> Matrix:
    """A start by PCA asks for vectors of as many numbers as the map has axes: zeros change no distance."""
    return points if points.shape[1] >= dims else np.pad(points, ((0, 0), (0, dims - points.shape[1])))


@cache
def warm_umap() -> None:
    """Load umap and let numba compile what a fit needs, once: the greater part of the first small map of all."""
    _keep_compiled()
    points = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    umap(points, exact(points, N_NEIGHBOURS))


def _keep_compiled() -> None:
    """Have numba keep on disk what it compiles for a fit, so that the next kernel begins at once.

    umap-learn leaves that off. The files are numba's own: beside umap's modules or in the user's cache folder, and
    compiled anew when the module, numba or the processor is another. Where neither folder can be written, or a later
    umap-learn names these functions otherwise, each kernel compiles them again.
    """
    for name, functions in _COMPILED.items():
        module = require(name, feature="a UMAP map", package="umap-learn")
        for function in functions:
            with suppress(AttributeError, RuntimeError):
                getattr(module, function).enable_caching()


def tsne(
    points: Matrix, neighbours: Neighbours | None, dims: int = 2, seed: int = 42, report: Report = lambda share: None
) -> Matrix:
    """t-SNE of scikit-learn from a PCA start; slow beyond some thousand records."""
    manifold = require("sklearn.manifold", feature="a t-SNE map", package="scikit-learn")
    points = _wide_enough(points, dims)
    perplexity = min(30.0, max(1.0, (len(points) - 1) / 3))
    fitted = manifold.TSNE(dims, perplexity=perplexity, init="pca", random_state=seed).fit_transform(points)
    report(1.0)
    return np.ascontiguousarray(fitted, np.float32)


REDUCERS: Final[dict[str, Reducer]] = {
    "pca": Reducer("pca", pca),
    "umap": Reducer("umap", umap, needs_neighbours=True, slow=True, package="umap"),
    "tsne": Reducer("tsne", tsne, slow=True, package="sklearn"),
}


def check(method: str) -> None:
    """ValueError unless there is such a method."""
    if method not in ("auto", *REDUCERS):
        raise ValueError(f"expected method to be one of {', '.join(map(repr, ('auto', *REDUCERS)))}, got {method!r}")


def choose(method: str, points: Matrix) -> Reducer:
    """The row for ``method``; "auto" is UMAP where it is installed and there is something to show.

    Few records, or vectors that are all equal, are always shown by PCA.
    """
    if len(points) < FEWEST or not np.ptp(points, axis=0).any():
        return REDUCERS["pca"]
    if method == "auto":
        return REDUCERS["umap" if find_spec("umap") else "pca"]
    return REDUCERS[method]


# --- What UMAP says while it runs -----------------------------------------------------------------------
#: numba's simplest threading layer ends the process when two threads enter it at once. A fit in the middle of another
#: one of this thread (a callback's) is inside no compiled code, and gives umap's bar back as it found it.
_ONE_AT_A_TIME = _locks.RLock()
#: What takes numba seconds, by module.
_COMPILED: Final = {
    "umap.umap_": ("smooth_knn_dist", "compute_membership_strengths"),
    "umap.layouts": ("_nb_optimize_layout_euclidean_single_epoch",),
}


@contextmanager
def _reporting(report: Report) -> Iterator[None]:
    """Report each epoch of a fit in this thread. A fit that raises from ``report`` ends there.

    umap-learn shows its epochs by a tqdm bar and calls nobody back, so for the time of the fit that name
    in its module stands for the bar of this thread; other threads get their own bar as ever.
    """
    layouts = require("umap.layouts", feature="a UMAP map", package="umap-learn")
    usual, thread = layouts.tqdm, threading.get_ident()

    def epochs(steps: Sequence[T], *arguments: object, **options: object) -> Iterable[T]:
        """UMAP's loop over epochs, which reports each of this thread's."""
        if threading.get_ident() != thread:
            bar: Iterable[T] = usual(steps, *arguments, **options)
            return bar
        return _counted(steps, report)

    layouts.tqdm = epochs  # type: ignore[attr-defined]  # a module has what it has
    try:
        yield
    finally:
        layouts.tqdm = usual  # type: ignore[attr-defined]


def _counted(steps: Sequence[T], report: Report) -> Iterator[T]:
    for done, step in enumerate(steps):
        report(done / len(steps))
        yield step
    report(1.0)
