"""``explore``: the workbench with the map in front, or the explorer by plotly (``explorer.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from chroma_nb._optional import require
from chroma_nb.collection import Client, Collection
from chroma_nb.jupyter.scope import client_for
from chroma_nb.jupyter.widgets.browse import is_table
from chroma_nb.projection import figures
from chroma_nb.projection.projection import Projection, project
from chroma_nb.types import Options, Where, WhereDocument

if TYPE_CHECKING:
    from chroma_nb.jupyter.widgets.explorer import Explorer, Renderer
    from chroma_nb.jupyter.widgets.explorer_state import GivenBy
    from chroma_nb.workbench.selection import Selection
    from chroma_nb.workbench.widget import Workbench


def explore(
    collection: object,
    method: str = "auto",
    dims: int = 2,
    *,
    where: Where | None = None,
    where_document: WhereDocument | None = None,
    sample: int | None = None,
    color: GivenBy = "label",
    size: GivenBy = None,
    n_results: int = 10,
    client: Client | None = None,
    selection: Selection | None = None,
    height: int = 560,
    wait: bool = False,
    renderer: Renderer = "auto",
) -> Workbench | Explorer:
    """A live map of ``collection`` in the workbench: lasso or box selects, table and record follow, hits of a search
    are numbered.

    The map of PCA is there at once and gives way to that of ``method`` when it is ready. ``where`` and
    ``where_document`` filter and always hold, for the table, too; ``sample`` draws as many records. ``color`` is a
    metadata key, or "label" for the regions of the map; ``client`` is where exported collections are made; several
    views may share one ``selection``. ``collection`` may also be a ``Projection``, or a table (pandas, polars, Arrow,
    a Hugging Face Dataset), which becomes a temporary collection as for ``browse``. Raises ValueError for a key that
    no record has.

    What the workbench's map does not draw is drawn by plotly, in an ``Explorer``: three dimensions, sizes, and colours
    that are values (by id, or one for each record), as ``Projection.figure`` takes them. ``renderer="plotly"`` asks
    for it in any case, "scatter" for jupyter-scatter (the extra ``large``); their searches find ``n_results`` records.

    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=["a", "b"], documents=["one", "two"], embeddings=[[0, 3], [4, 0]])
    >>> explorer = explore(collection)
    >>> explorer.selection.ids = ["b"]
    >>> explorer.selection.to_df()
      id document
    0  b      two

    >>> import pandas
    >>> explorer = explore(pandas.DataFrame({"embedding": [[0.0, 3.0], [4.0, 0.0]], "topic": ["moon", "mars"]}))
    >>> explorer.projection.to_df()["topic"].tolist()
    ['moon', 'mars']
    >>> explorer.close()
    """
    require("ipywidgets", feature="explore()")
    looks: Options = {
        "color": color,
        "size": size,
        "n_results": n_results,
        "client": client,
        "selection": selection,
        "height": height,
        "renderer": renderer,
    }
    if isinstance(collection, Projection):
        return _shown(collection, **looks)

    def of_collection(collection: Collection) -> Workbench | Explorer:
        asked: Options = {"where": where, "where_document": where_document, "sample": sample, "wait": wait}
        return _shown(project(collection, method, dims, **asked), **looks)

    if is_table(collection):
        from chroma_nb.workbench import temporary  # which loads ipywidgets

        return temporary.show(collection, of_collection)
    # What is no collection is refused there, in a sentence.
    return of_collection(cast("Collection", collection))


def _shown(
    projection: Projection,
    *,
    color: GivenBy,
    size: GivenBy,
    n_results: int,
    client: Client | None,
    selection: Selection | None,
    height: int,
    renderer: Renderer,
) -> Workbench | Explorer:
    """The map as a workbench, or as what plotly draws."""
    from chroma_nb.workbench import temporary

    found = projection.collection
    if client is None and found is not None and temporary.of(found) is None:
        client = client_for(found)
    by_key = color is None or isinstance(color, str)
    if found is not None and renderer == "auto" and projection.dims == 2 and size is None and by_key:
        from chroma_nb.workbench.widget import Workbench

        colour = _colour(projection, color)

        return Workbench(
            found,
            where=projection.where,
            where_document=projection.where_document,
            view="map",
            projection=projection,
            colour=colour,
            selection=selection,
            client=client,
            height=height,
        )
    from chroma_nb.jupyter.widgets.explorer import Explorer
    from chroma_nb.jupyter.widgets.explorer_state import ExplorerState

    state = ExplorerState(projection, selection, client=client, color=color, size=size, n_results=n_results)
    return Explorer(state, height, renderer)


def _colour(projection: Projection, color: GivenBy) -> str | None:
    """What the workbench colours by; ValueError for a key that no record on the map has."""
    from chroma_nb.workbench.columns import REGION_KEY

    carried = any("label" in (metadata or ()) for metadata in projection.metadatas)
    if color == "label" and not carried:
        return REGION_KEY
    values, name = figures.column(projection, color)
    return name if values else None
