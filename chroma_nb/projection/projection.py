"""A map of a collection: ``project(collection)`` and the ``Projection`` it returns.

``reducers.py`` computes coordinates, ``figures.py`` draws maps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from chroma_nb import _hints, _locks
from chroma_nb.collection import Collection, directory, space
from chroma_nb.embedding_functions.progress import progress_bar
from chroma_nb.projection import coordinates_cache, figures, labels, neighbours, reducers
from chroma_nb.projection.background import Background
from chroma_nb.projection.kept_map import NO_LINES, KeptMap, Regions, Shelf, hashed_ids, hashed_vectors
from chroma_nb.projection.labels import Labels
from chroma_nb.projection.reading import read, read_id_list, read_ids
from chroma_nb.projection.region_meaning import meaning_of
from chroma_nb.projection.region_names import spans, told
from chroma_nb.records import Records
from chroma_nb.results import GetResult
from chroma_nb.tables.kinds import ids_among
from chroma_nb.types import Array, Indices, Ints, Json, Matrix, Metadata, Options, Where, WhereDocument

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure

#: Neighbours by whose weights a query or a new record is placed.
_PLACED_BY = 15
_QUERY_LIMIT = 1_000
#: The options of a figure.
_DRAWING = frozenset(figures.draw.__kwdefaults__ or ()) - {"stars"}
_AXES = "xyz"
_SEED = 42
#: A map that a collection has is computed again when it knows a smaller share than this of the records there are.
_KNOWN = 0.5
_FORMAT = "chroma_nb projection 1"
#: Names are found once, whoever asks first; a signal handler may ask in the middle of it.
_NAMING = _locks.RLock()


@dataclass(frozen=True)
class Placed:
    """Queries placed on a map: what ``Projection.place`` returns.

    Attributes
    ----------
    texts
        The queries; ``"query 1"`` and so on for queries given as embeddings.
    coordinates
        An array of float32 of shape (queries, dims).
    ids
        For each query, the ids of its nearest records, nearest first.
    distances
        For each query, the distances of these records.
    """

    texts: list[str]
    coordinates: Matrix
    ids: list[list[str]]
    distances: list[list[float]]


@dataclass(frozen=True)
class Recipe:
    """The arguments that a map was made with, to make it again from the records as they are then."""

    method: str = "auto"
    dims: int = 2
    where: Where | None = None
    where_document: WhereDocument | None = None
    sample: int | None = None
    seed: int = _SEED
    cache: bool = True

    def make(self, collection: Collection, *, wait: bool) -> Projection:
        """Compute the map of ``collection`` with these arguments."""
        return project(
            collection,
            self.method,
            self.dims,
            where=self.where,
            where_document=self.where_document,
            sample=self.sample,
            seed=self.seed,
            wait=wait,
            cache=self.cache,
        )


class Projection:
    """A map of a collection: records with their coordinates. ``project`` creates one.

    Attributes
    ----------
    ids
        The ids of the records, in the order of the map.
    coordinates
        An array of float32 of shape (n, dims), in the order of ``ids``.
    documents
        The document of each record; None for a missing one.
    metadatas
        The metadata of each record; None for a missing one.
    method
        The method that computed the coordinates.
    collection
        The collection; None for a map that was loaded without one.
    where
        The filter on metadata that the map was made with.
    where_document
        The filter on documents that the map was made with.
    name
        The name of the collection.
    whole
        Whether the map was made of all records that match the filters, not of a sample.
    fit
        The computation in the background, if ``project`` was called with ``wait=False``: ``fit.wait()`` waits for it,
        ``fit.stop()`` stops it, ``fit.done`` and ``fit.progress`` tell how far it is. None otherwise.
    """

    def __init__(
        self,
        ids: Sequence[str],
        coordinates: Matrix,
        documents: Sequence[str | None],
        metadatas: Sequence[Metadata | None],
        *,
        method: str = "pca",
        collection: Collection | None = None,
        where: Where | None = None,
        name: str = "",
        where_document: WhereDocument | None = None,
    ) -> None:
        self.ids, self.coordinates = list(ids), coordinates
        self.documents, self.metadatas = list(documents), list(metadatas)
        self.method, self.collection, self.name = method, collection, name
        self.where, self.where_document = where, where_document
        self.fit: Background[Matrix] | None = None
        #: The method of the map that ``fit`` makes.
        self.better: str | None = None
        #: How ``project`` was asked for it; None for a map that came from elsewhere, a file say.
        self.recipe: Recipe | None = None
        self._labels: Labels | None = None
        self._seed, self._shelf = _SEED, None  # type: int, Shelf | None
        #: Regions that are known already, and where their names stand in documents; of those that are in ``_labels``.
        self._regions: Regions | None = None
        self._lines = (NO_LINES, NO_LINES)
        self._sketch: tuple[Matrix, Labels] | None = None
        #: The map that this is a part of, whose regions are its own.
        self._all: Callable[[], Projection] | None = None

    @property
    def dims(self) -> int:
        """The number of coordinates, 2 or 3."""
        return int(self.coordinates.shape[1])

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        count = f"{len(self):,} record{'' if len(self) == 1 else 's'}"
        return f"<Projection of {self.name!r}: {count}, {self.dims}-D, {self.method}>"

    # --- As a table ---
    def to_df(self) -> pandas.DataFrame:
        """Return the map as a table with one row per record.

        Returns
        -------
        pandas.DataFrame
            The columns ``id``, ``x``, ``y`` (and ``z``), ``label`` (the region), ``document``, and one column per
            metadata key. A metadata key with one of these names becomes ``metadata.<key>``.
        """
        frame = GetResult(ids=self.ids, documents=self.documents, metadatas=self.metadatas).to_df()
        axes = _AXES[: self.dims]
        frame = frame.rename(columns={name: f"metadata.{name}" for name in (*axes, "label") if name in frame})
        for column, axis in enumerate(axes):
            frame.insert(1 + column, axis, self.coordinates[:, column])
        frame.insert(1 + self.dims, "label", self.labels.of_records())
        return frame

    # --- Regions ---
    @property
    def labels(self) -> Labels:
        """The regions of the map and their names. See ``Labels``."""
        if self.fit is not None and not self.fit.done:
            return self._sketched()
        with _NAMING:
            if self._labels is None:
                self._labels = self._named() if self._all is None else self._of_all(self._all())
            return self._labels

    def _of_all(self, everything: Projection) -> Labels:
        """The regions of the map that this is a part of."""
        rows = {id_: row for row, id_ in enumerate(everything.ids)}
        return everything.labels.of_rows([rows.get(id_, -1) for id_ in self.ids])

    def _sketched(self) -> Labels:
        """Regions of a map that another will take the place of."""
        coordinates = self.coordinates
        if self._sketch is None or self._sketch[0] is not coordinates:
            self._sketch = coordinates, labels.sketch(coordinates, self.documents, self.metadatas)
        return self._sketch[1]

    def _named(self) -> Labels:
        """The regions as they are known, or found, with their names."""
        collection, texts = self.collection, self.documents
        meaning = partial(meaning_of, collection, self.ids, texts) if collection is not None else None
        if (regions := self._regions) is not None:
            known = [
                told(lines, int(level.max(initial=-1)) + 1, texts, given)
                for lines, level, given in zip(regions.lines, regions.levels, regions.given, strict=True)
            ]
            names = [level for level in known if level is not None]
            found = labels.called(
                *regions.levels,
                self.coordinates,
                texts,
                self.metadatas,
                meaning,
                names if len(names) == len(known) else None,
                regions.given,
            )
            self._lines = regions.lines
        else:
            names = []
            found = labels.find(self.coordinates, texts, self.metadatas, meaning)
        self._hear_of_names(found)
        if len(names) < 2:  # they were found again
            self._lines = self._spans(found)
            self._keep_regions(found)
        return found

    def _spans(self, found: Labels) -> tuple[Ints, Ints]:
        """Where the names stand in documents, but for those that a person gave."""
        lines = []
        for level in (found, found.parts):
            names = [] if level is None else level.names
            own = {} if level is None else level.given
            asked = ["" if number in own else name for number, name in enumerate(names)]
            lines.append(NO_LINES if level is None else spans(asked, level.clusters, self.documents))
        return lines[0], lines[1]

    def _hear_of_names(self, found: Labels) -> None:
        """Keep what a person calls the regions from now on."""
        for level in filter(None, (found, found.parts)):
            level.changed = (lambda: self._keep_regions(found)) if self._shelf is not None else None

    def _keep_regions(self, found: Labels) -> None:
        if self._shelf is None or self.collection is None or not len(self.ids):
            return
        ids = hashed_ids(self.collection, self.ids)
        regions = self._regions_of(found)
        self._shelf.keep_regions(KeptMap(ids, ids, self.coordinates, self.method, self._seed, regions))

    def _regions_of(self, found: Labels) -> Regions:
        parts = found.parts
        finer = np.full(len(found.clusters), -1, np.int32) if parts is None else parts.clusters
        given = dict(found.given), {} if parts is None else dict(parts.given)
        return Regions((found.clusters, finer), given, self._lines)

    def store_labels(self, key: str = "label") -> int:
        """Write the name of each record's region into the collection as metadata.

        Parameters
        ----------
        key
            The metadata key. A value that is there is overwritten.

        Returns
        -------
        int
            The number of records that were changed. Records outside all regions are not changed.

        Raises
        ------
        ValueError
            The map has no collection: give it one with ``Projection.load(path, collection)``.
        """
        collection = self._need_collection("storing labels")
        named = [(id_, label) for id_, label in zip(self.ids, self.labels.of_records(), strict=True) if label]
        for start in range(0, len(named), 1_000):
            part = named[start : start + 1_000]
            collection.update(ids=[id_ for id_, _ in part], metadatas=[{key: label} for _, label in part])
        rows = {id_: row for row, id_ in enumerate(self.ids)}
        metadatas = list(self.metadatas)  # another list: a workbench sees by that that its scales and keys are old
        for id_, label in named:
            metadatas[rows[id_]] = {**(metadatas[rows[id_]] or {}), key: label}
        self.metadatas = metadatas
        return len(named)

    # --- As a picture ---
    def figure(self, **options: Any) -> Figure:
        """Draw the map as a plotly figure.

        Parameters
        ----------
        color
            What to colour by: a metadata key, ``"label"`` for the regions (the default), None, or values. Values are a
            Series or dict by id, or a list with one value per record in the order of the map.
        size
            What to size the points by: a metadata key of numbers, values as for ``color``, or one number in pixels.
        hover
            Metadata keys to show when you point at a record.
        queries
            Query texts to place on the map, with lines to their nearest records.
        n_results
            The number of nearest records for each query. Default 5.
        labels
            Whether to write the names of the regions on the map. Default True.
        title
            The title.
        width
            The width in pixels. By default the figure is as wide as the page.
        height
            The height in pixels. Default 600.
        limit
            Beyond this many records, a density and a sample of this size are drawn. Default 200,000.

        Returns
        -------
        plotly.graph_objects.Figure
            The figure. Up to 20,000 records it shows the beginning of each document when you point at a record.

        Raises
        ------
        ValueError
            No record has the metadata key, ``size`` has no numbers, or values do not fit the records.
        TypeError
            An option is unknown.
        """
        return self.draw(**options).figure

    def draw(self, queries: Sequence[str] | str | None = None, n_results: int = 5, **options: Any) -> figures.Drawing:
        """Draw the map as ``figure`` does, and also return which records each trace shows."""
        if unknown := options.keys() - _DRAWING:
            raise TypeError(_hints.unknown_option("figure", min(unknown), [*_DRAWING, "queries", "n_results"]))
        texts = [] if queries is None else [queries] if isinstance(queries, str) else list(queries)
        placed = self.place(query_texts=texts, n_results=n_results) if texts else None
        return figures.draw(self, stars=[] if placed is None else self.stars(placed), **options)

    def stars(self, placed: Placed) -> list[figures.Star]:
        """Return placed queries in the form in which figures draw them."""
        rows = {id_: row for row, id_ in enumerate(self.ids)}
        return [
            figures.Star(text, spot, [rows[id_] for id_ in ids if id_ in rows])
            for text, spot, ids in zip(placed.texts, placed.coordinates, placed.ids, strict=True)
        ]

    def to_html(
        self,
        path: str | PathLike[str] | None = None,
        *,
        plotlyjs: Literal["inside", "linked"] = "inside",
        **options: object,
    ) -> str:
        """Write the map as one HTML page that works without Python.

        Parameters
        ----------
        path
            The file to write; None to write no file.
        plotlyjs
            ``"inside"`` includes plotly.js in the page (5 MB), so that it works offline. ``"linked"`` loads plotly.js
            from plotly's site when the page is opened.
        **options
            The options of ``figure``.

        Returns
        -------
        str
            The page.
        """
        page = figures.html_page(self.figure(**options), plotlyjs)
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(page)
        return page

    # --- More points ---
    def place(
        self,
        query_texts: Sequence[str] | str | None = None,
        query_embeddings: npt.ArrayLike | None = None,
        n_results: int = 5,
    ) -> Placed:
        """Find where queries are on the map.

        A query is placed at the mean of its 15 nearest records on the map, weighted by the inverse of their distances.
        The map is not computed again.

        Parameters
        ----------
        query_texts
            One text or several. The collection embeds them.
        query_embeddings
            One vector or several, in place of texts.
        n_results
            How many of the nearest records to return for each query.

        Returns
        -------
        Placed
            The coordinates of the queries, and the ids and distances of their nearest records.

        Raises
        ------
        ValueError
            Neither or both of texts and vectors are given, the map is empty, or it has no collection.
        """
        collection = self._need_collection("placing a query")
        several = [] if query_texts is None else query_texts
        texts = [several] if isinstance(several, str) else list(several)
        if bool(texts) == (query_embeddings is not None):
            raise ValueError("expected either query_texts or query_embeddings")
        if not len(self):
            raise ValueError("this map has no records, so a query cannot be placed on it")
        asked = {"query_texts": texts} if texts else {"query_embeddings": np.atleast_2d(np.asarray(query_embeddings))}
        total = collection.count()
        wanted = min(max(1, total), _QUERY_LIMIT, math.ceil(max(_PLACED_BY, n_results) * max(1, total / len(self))))
        filters: Options = {"where": self.where, "where_document": self.where_document}
        found = collection.query(**asked, n_results=wanted, include=["distances"], **filters)
        rows = {id_: row for row, id_ in enumerate(self.ids)}
        spots = np.zeros((len(found["ids"]), self.dims), np.float32)
        for query, (ids, distances) in enumerate(zip(found["ids"], found["distances"], strict=True)):
            near = [(rows[id_], far) for id_, far in zip(ids, distances, strict=True) if id_ in rows][:_PLACED_BY]
            if near:
                spots[query] = _weighted(self.coordinates[[row for row, _ in near]], [far for _, far in near])
        names = texts or [f"query {number + 1}" for number in range(len(spots))]
        return Placed(
            names,
            spots,
            [list(ids[:n_results]) for ids in found["ids"]],
            [[float(far) for far in distances[:n_results]] for distances in found["distances"]],
        )

    def refreshed(self) -> Projection:
        """Return the map of the collection as it is now.

        Deleted records are left out, and new records are placed among their neighbours. All others stay where they are,
        and the regions keep their names. The map of a sample gains no records. After many changes,
        ``project(collection, anew=True)`` gives a better map.

        Returns
        -------
        Projection
            A new map.

        Raises
        ------
        ValueError
            The map has no collection.
        """
        collection = self._need_collection("refreshing a map")
        now = read_id_list(collection, self.where, self.where_document)
        rows = {id_: row for row, id_ in enumerate(self.ids)}
        new = [id_ for id_ in now if id_ not in rows] if self.whole else []
        records = read_ids(collection, [id_ for id_ in now if id_ in rows])
        coordinates = self.coordinates[[rows[id_] for id_ in records.ids]]
        fresh = read_ids(collection, new)
        if len(fresh) and len(records):
            coordinates = np.concatenate([coordinates, _beside(fresh, records, coordinates, space(collection))])
        elif len(fresh):
            coordinates = reducers.pca(fresh.matrix, dims=self.dims)
        whole = Records.concat([records, fresh])
        result = Projection(
            whole.ids,
            coordinates,
            whole.column("documents"),
            whole.column("metadatas"),
            method=self.method,
            collection=collection,
            where=self.where,
            name=self.name,
            where_document=self.where_document,
        )
        result.whole, result.recipe = self.whole, self.recipe
        kept_rows = [rows[id_] for id_ in records.ids]
        regions = self._regions if self._labels is None else self._regions_of(self._labels)
        if regions is not None:
            result._regions = regions.at(np.array(kept_rows + [-1] * len(fresh), np.intp), coordinates)
            result._lines = result._regions.lines
        if self._labels is not None:
            result._labels = self._labels.carried(kept_rows, coordinates)
        if self._shelf is not None and (self.fit is None or (self.fit.done and self.fit.error is None)):
            result._seed, result._shelf = self._seed, self._shelf
            if result._labels is not None:
                result._hear_of_names(result._labels)
            result._keep(whole)
        return result

    def _keep(self, records: Records) -> None:
        """Keep the places of the records for later calls and kernels, where this is the map that a collection has."""
        if self._shelf is not None and self.collection is not None and len(records):
            ids, vectors = hashed_ids(self.collection, records.ids), hashed_vectors(records.matrix)
            regions = self._regions if self._labels is None else self._regions_of(self._labels)
            self._shelf.keep(KeptMap(ids, vectors, self.coordinates, self.method, self._seed, regions))

    def without(self, ids: Iterable[str]) -> Projection:
        """Return the same map without some records. Regions keep their names.

        Parameters
        ----------
        ids
            The ids to leave out, or a table with a column ``id``.
        """
        gone = set(ids_among(ids))
        kept = [row for row, id_ in enumerate(self.ids) if id_ not in gone]
        result = Projection(
            [self.ids[row] for row in kept],
            self.coordinates[kept],
            [self.documents[row] for row in kept],
            [self.metadatas[row] for row in kept],
            method=self.method,
            collection=self.collection,
            where=self.where,
            name=self.name,
            where_document=self.where_document,
        )
        result.whole, result.recipe = self.whole, self.recipe
        if self._labels is not None:
            result._labels = self._labels.of_rows(kept)
        return result

    def _settled(self, records: Records, kept: KeptMap, metric: str, exactly: bool = False) -> bool:
        """Place the records as on a map that is kept; False where that knows too few of them, ``exactly``: not all."""
        collection = self._need_collection("a map that is kept")
        rows = kept.rows(hashed_ids(collection, records.ids), hashed_vectors(records.matrix))
        known = int((rows >= 0).sum())
        if known < len(rows) * (1 if exactly else _KNOWN):
            return False
        self.coordinates = _completed(records, kept.coordinates, rows, metric)
        if kept.regions is not None:
            self._regions = kept.regions.at(rows, self.coordinates)
        if known < len(rows):
            self._keep(records)
        return True

    #: Whether the map was made of all records that matched, not of a sample.
    whole: bool = True

    def _need_collection(self, purpose: str) -> Collection:
        if self.collection is None:
            raise ValueError(f"{purpose} needs the collection: Projection.load(path, collection)")
        return self.collection

    # --- On disk ---
    def save(self, path: str | PathLike[str]) -> None:
        """Write the map to a file, as NumPy's ``.npz`` with JSON inside. It contains the documents and the metadata.

        Parameters
        ----------
        path
            The file. An existing file is replaced.
        """
        state: Json = {
            "format": _FORMAT,
            "ids": self.ids,
            "documents": self.documents,
            "metadatas": self.metadatas,
            "method": self.method,
            "where": self.where,
            "where_document": self.where_document,
            "name": self.name,
            "whole": self.whole,
            "labels": self._labels and self._labels.names,
        }
        finer = self._labels and self._labels.parts
        if finer is not None:
            state |= {"parts": finer.names, "within": finer.within}
        parts = {"coordinates": self.coordinates, "state": np.frombuffer(json.dumps(state).encode(), np.uint8)}
        if self._labels is not None:
            parts |= {"clusters": self._labels.clusters, "centres": self._labels.centres}
        if finer is not None:
            parts |= {"parts": finer.clusters, "part_centres": finer.centres}
        with open(path, "wb") as file:
            np.savez_compressed(file, **parts)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle for one

    @classmethod
    def load(cls, path: str | PathLike[str], collection: Collection | None = None) -> Projection:
        """Read a map that ``save`` wrote.

        Parameters
        ----------
        path
            The file.
        collection
            The collection. You need it to place queries, to refresh the map and to store its labels.

        Raises
        ------
        ValueError
            The file cannot be read or is not a map.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                parts = {name: stored[name] for name in stored.files}
            return cls._of_file(json.loads(parts["state"].tobytes()), parts, collection)
        except coordinates_cache.UNREADABLE as error:
            why = f"; it cannot be read ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
            raise ValueError(
                f"expected a map that Projection.save of this version wrote, got {str(path)!r}{why}; create it "
                "again with project()"
            ) from error

    @classmethod
    def _of_file(cls, state: Json, parts: dict[str, Array], collection: Collection | None) -> Projection:
        ids, coordinates = state["ids"], parts["coordinates"]
        if state["format"] != _FORMAT or coordinates.ndim != 2 or coordinates.dtype.kind != "f":
            raise ValueError("not a map of this version")
        columns = [ids, coordinates, *filter(None, (state["documents"], state["metadatas"]))]
        if len(set(map(len, columns))) > 1:
            raise ValueError("the parts do not have one entry for each record")
        found = cls(
            ids,
            coordinates,
            state["documents"],
            state["metadatas"],
            method=state["method"],
            collection=collection,
            where=state["where"],
            name=state["name"],
            where_document=state.get("where_document"),  # a map of an earlier version says nothing of it
        )
        found.whole = state["whole"]
        if state["labels"] is not None:
            finer = None
            if "parts" in state:
                finer = Labels(parts["parts"], state["parts"], parts["part_centres"], None, state["within"])
            found._labels = Labels(parts["clusters"], state["labels"], parts["centres"], finer)
        return found


def project(
    collection: Collection,
    method: str = "auto",
    dims: int = 2,
    *,
    where: Where | None = None,
    where_document: WhereDocument | None = None,
    sample: int | None = None,
    seed: int = _SEED,
    wait: bool = True,
    cache: bool = True,
    anew: bool = False,
) -> Projection:
    """Compute a map of a collection: two or three coordinates for each record.

    Records with similar embeddings are close together on the map. The map is cached, and the next call finds the
    records where they were. New records, and records with another embedding, are placed among their neighbours. The map
    is computed again if more than half of the records are new, or with ``anew=True``.

    Parameters
    ----------
    collection
        A collection of chroma_nb or of the package chromadb, local or on a server. Not one of an asynchronous client.
    method
        ``"umap"``, ``"pca"`` or ``"tsne"``. ``"auto"`` is UMAP if it is installed, else PCA. Fewer than 16 records, or
        equal embeddings, are always shown by PCA.
    dims
        The number of coordinates, 2 or 3.
    where
        Show only records whose metadata match this filter.
    where_document
        Show only records whose document matches this filter.
    sample
        Draw this many records at random. Such a map gains no records later.
    seed
        The seed of the sample and of the method. The same records give the same new map on the same machine.
    wait
        Whether to wait for the method. With False, you get a PCA map at once; ``Projection.fit`` computes the other map
        in the background and replaces it.
    cache
        Whether to keep the coordinates, in ``cache/`` of the database directory or in your cache directory. The files
        hold numbers, and the names that you gave to regions. They hold no ids and no documents.
    anew
        Whether to compute the map again.

    Returns
    -------
    Projection
        The map, as a table and as a figure.

    Raises
    ------
    ValueError
        ``method``, ``dims`` or ``sample`` is not one of the values above.
    TypeError
        ``collection`` is not a collection.
    ImportError
        The package that the method needs is not installed.

    Notes
    -----
    UMAP: McInnes, Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction"
    (2018), with 15 neighbours. t-SNE: van der Maaten and Hinton, "Visualizing Data using t-SNE" (2008), with a
    perplexity of 30; it is slow beyond some thousand records. Distances are those of the collection: Euclidean for l2,
    else cosine.

    Examples
    --------
    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=["a", "b"], documents=["one", "two"], embeddings=[[0, 3], [4, 0]])
    >>> project(collection).to_df()[["id", "x", "y"]]
      id    x    y
    0  a  2.5  0.0
    1  b -2.5  0.0
    """
    if dims not in (2, 3):
        raise ValueError(f"expected dims to be 2 or 3, got {dims!r}")
    reducers.check(method)
    filters: Options = {"where": where, "where_document": where_document}
    records = read(collection, **filters, sample=sample, seed=seed)
    if not len(records) and (where or where_document):
        _hints.warn(f"No record of {collection.name!r} passes the filter, so the map is empty.")
    result = of_records(
        collection, records, method, dims, **filters, whole=sample is None, seed=seed, wait=wait, cache=cache, anew=anew
    )
    result.recipe = Recipe(method, dims, where, where_document, sample, seed, cache)
    return result


def of_records(
    collection: Collection,
    records: Records,
    method: str = "auto",
    dims: int = 2,
    *,
    where: Where | None = None,
    where_document: WhereDocument | None = None,
    whole: bool = False,
    seed: int = _SEED,
    wait: bool = True,
    cache: bool = True,
    anew: bool = False,
) -> Projection:
    """As ``project``, of records that were read already; ``whole`` says that they are all that pass the filters."""
    metric = space(collection)
    reducer = reducers.choose(method, records.matrix)
    result = _unplaced(collection, records, reducer.name, dims, where, where_document)
    result.whole, result._seed = whole, seed
    if whole and cache:
        result._shelf = Shelf.of(collection, where, dims, where_document)
        kept = None if anew else result._shelf.find(reducer.name, seed)
        if kept is not None and result._settled(records, kept, metric):
            return result
    if not reducer.slow:
        points = neighbours.prepared(records.matrix, metric)
        result.coordinates = reducer.reduce(points, None, dims, seed, lambda share: None)
        result._keep(records)
        return result
    # A collection in memory is another one in the next kernel: its map is found by its vectors.
    places = coordinates_cache.directories(collection) if cache and (not whole or directory(collection) is None) else []
    name = coordinates_cache.key(records.ids, records.matrix, method=reducer.name, dims=dims, seed=seed, space=metric)
    if not anew and (found := coordinates_cache.load(places, name, (len(records), dims))) is not None:
        result.coordinates = found
        result._keep(records)
        return result
    points = neighbours.prepared(records.matrix, metric)

    def work(report: Callable[[str, float], None]) -> Matrix:
        """The coordinates; ``report`` is called with the stage and the share that is done."""
        near = None
        if reducer.needs_neighbours:
            warming = Background(lambda report: reducers.warm_umap()).start()
            near = neighbours.find(
                collection,
                records,
                reducers.N_NEIGHBOURS,
                metric,
                where,
                whole,
                lambda share: report("neighbours", share),
                where_document=where_document,
            )
            while not warming.ended(0.1):
                report("preparing UMAP", 0.0)
            warming.wait()
        coordinates = reducer.reduce(points, near, dims, seed, lambda share: report("layout", share))
        coordinates_cache.save(places, name, coordinates)
        if result._shelf is not None:
            ids, vectors = hashed_ids(collection, records.ids), hashed_vectors(records.matrix)
            result._shelf.keep(KeptMap(ids, vectors, coordinates, reducer.name, seed))
        return coordinates

    if wait:
        result.coordinates = _with_progress(work, reducer.name)
    else:
        better = _unplaced(collection, records, reducer.name, dims, where, where_document)
        better._seed, better._shelf = seed, result._shelf

        def work_and_name(report: Callable[[str, float], None]) -> Matrix:
            """The coordinates, when the regions have names, too."""
            better.coordinates = work(report)
            report("names", 0.0)
            better.labels  # noqa: B018  # found here, so that whoever shows the map need not wait
            return better.coordinates

        result.coordinates, result.method, result.better = reducers.pca(points, dims=dims), "pca", reducer.name
        result.fit = Background(work_and_name)
        result.fit.on_done(lambda fit: _take(result, better, fit))
        result.fit.start()
    return result


def on_the_map(
    collection: Collection,
    records: Records,
    method: str = "auto",
    *,
    where: Where | None = None,
    seed: int = _SEED,
) -> Projection:
    """These records on the map that the collection has, in two dimensions.

    ``where`` says what they were read by: its own map is looked for first. With "auto" any map is taken, the one that
    was used last; where there is none of the ``method``, it is made of the whole collection, or of what matches
    ``where``, and kept. Where that would be long (the records are few of very many), it is made of these alone.
    """
    reducers.check(method)
    metric, asked = space(collection), None if method == "auto" else method
    for filter_ in (where, None) if where is not None else (None,):
        shelf = Shelf.of(collection, filter_, 2)
        kept = shelf.find(asked)
        if kept is None:
            continue
        result = _part(collection, records, kept, filter_)
        if result._settled(records, kept, metric, exactly=True):
            return result
        everything = project(collection, kept.method, where=filter_, seed=kept.seed)
        return _part_of(everything, collection, records, metric)
    if 2 * len(records) < collection.count() > neighbours.EXACT_LIMIT:
        return of_records(collection, records, method, where=where, seed=seed)
    return _part_of(project(collection, method, where=where, seed=seed), collection, records, metric)


def _part(collection: Collection, records: Records, kept: KeptMap, where: Where | None) -> Projection:
    """Records of a map that is kept, not placed yet; its regions are those of the whole map."""
    result = _unplaced(collection, records, kept.method, 2, where)
    result._seed = kept.seed
    result._all = lambda: project(collection, kept.method, where=where, seed=kept.seed)
    return result


def _part_of(everything: Projection, collection: Collection, records: Records, metric: str) -> Projection:
    """Records of this map, of which another process may have written some meanwhile."""
    result = _unplaced(collection, records, everything.method, 2, everything.where)
    result._seed, result._all = everything._seed, lambda: everything
    rows = {id_: row for row, id_ in enumerate(everything.ids)}
    found = np.array([rows.get(id_, -1) for id_ in records.ids], np.intp)
    result.coordinates = _completed(records, everything.coordinates, found, metric)
    return result


def _unplaced(
    collection: Collection,
    records: Records,
    method: str,
    dims: int,
    where: Where | None,
    where_document: WhereDocument | None = None,
) -> Projection:
    """A map on which all records lie on one spot."""
    return Projection(
        records.ids,
        np.zeros((len(records), dims), np.float32),
        records.column("documents"),
        records.column("metadatas"),
        method=method,
        collection=collection,
        where=where,
        name=str(collection.name),
        where_document=where_document,
    )


def _completed(records: Records, coordinates: Matrix, rows: Indices, metric: str) -> Matrix:
    """The coordinates of records that lie at ``rows``; those of -1 beside their neighbours among the others."""
    known = rows >= 0
    placed = np.zeros((len(records), coordinates.shape[1]), np.float32)
    placed[known] = coordinates[rows[known]]
    if known.any() and not known.all():
        old, new = np.flatnonzero(known).tolist(), np.flatnonzero(~known).tolist()
        placed[~known] = _beside(records.take(new), records.take(old), placed[known], metric)
    return placed


def _take(result: Projection, better: Projection, fit: Background[Matrix]) -> None:
    if fit.error is None and fit.wait() is not None:
        result._labels, result._lines = better._labels, better._lines
        result.coordinates, result.method = better.coordinates, better.method
        if result._labels is not None:
            result._hear_of_names(result._labels)


def _with_progress(work: Callable[[Callable[[str, float], None]], Matrix], method: str) -> Matrix:
    """The work in this thread, so that an interrupt ends it, with a bar when it takes long."""
    shares = {"neighbours": (0, 30), "preparing UMAP": (30, 0), "layout": (30, 70)}
    done = 0
    with progress_bar(100, description=f"map by {method}", unit="%") as bar:

        def report(stage: str, share: float) -> None:
            """Move the bar to this share of this stage."""
            nonlocal done
            start, width = shares[stage]
            now = max(done, int(start + width * share))
            if now > done:
                bar.update(now - done)
                done = now

        return work(report)


def _weighted(spots: Matrix, distances: Sequence[float]) -> Matrix:
    """The mean of spots, the nearer ones counting more; a distance is about the square of a length."""
    far = np.asarray(distances, np.float64)
    far = far - min(0.0, float(far.min()))  # an inner product may be below zero
    weights = 1 / (far + 1e-6 * max(float(far.max()), 1e-30))
    placed: Matrix = (spots * (weights / weights.sum())[:, None]).sum(axis=0).astype(np.float32)
    return placed


def _beside(new: Records, old: Records, coordinates: Matrix, metric: str) -> Matrix:
    """The new records among the old ones, by exact neighbours."""
    together = neighbours.prepared(np.concatenate([old.matrix, new.matrix]), metric)
    known, fresh = together[: len(old)], together[len(old) :]
    half = np.einsum("ij,ij->i", known, known) / 2
    count = min(_PLACED_BY, len(known))
    spots = np.empty((len(fresh), coordinates.shape[1]), np.float32)
    for start in range(0, len(fresh), 512):
        part = fresh[start : start + 512]
        near = np.argpartition(half - part @ known.T, count - 1, axis=1)[:, :count]
        gaps = ((known[near].astype(np.float64) - part[:, None, :]) ** 2).sum(axis=2)
        for row, (rows, far) in enumerate(zip(near, gaps, strict=True), start):
            spots[row] = _weighted(coordinates[rows], far.tolist())
    return spots
