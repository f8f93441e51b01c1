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
    """Show a collection as a live map in the notebook.

    You can select records with a lasso or a box. A table and the open record follow. A PCA map appears at once and is
    replaced when the map of ``method`` is ready.

    Parameters
    ----------
    collection
        A collection, a ``Projection``, or a table of your own, as for ``browse``.
    method
        ``"auto"``, ``"umap"``, ``"pca"`` or ``"tsne"``, as for ``project``.
    dims
        The number of coordinates, 2 or 3.
    where
        Show only records whose metadata match this filter, on the map and in the table.
    where_document
        Show only records whose document matches this filter, on the map and in the table.
    sample
        Draw this many records at random.
    color
        What to colour by: a metadata key, or ``"label"`` for the regions of the map. Values (a Series or dict by id, or
        one value per record) are drawn by plotly.
    size
        What to size the points by, as ``color``. Drawn by plotly.
    n_results
        How many records a search finds, in an ``Explorer``.
    client
        The client in which **Export…** creates collections.
    selection
        A selection to share with other views, such as ``other.selection``.
    height
        The height in pixels.
    wait
        Whether to wait for the map of ``method`` before showing anything.
    renderer
        ``"auto"``, ``"plotly"`` or ``"scatter"``. ``"scatter"`` draws very large maps with the package jupyter-scatter
        (``pip install "chroma-nb[large]"``).

    Returns
    -------
    Workbench or Explorer
        The widget. An ``Explorer`` if plotly or jupyter-scatter draws: in three dimensions, with ``size``, with values
        as ``color``, or if ``renderer`` asks for it.

    Raises
    ------
    ValueError
        No record has the metadata key ``color`` or ``size``, ``method``, ``dims``, ``sample`` or ``renderer`` is not
        one of the values above, or a ``Projection`` has no collection.
    TypeError
        ``collection`` is something else, or belongs to an asynchronous client.

    Examples
    --------
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
