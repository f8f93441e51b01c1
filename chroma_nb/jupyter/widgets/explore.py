"""``explore``: the widget for a collection or a map of one. The widget is in ``explorer.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chroma_nb._optional import require
from chroma_nb.collection import Client, Collection
from chroma_nb.jupyter.scope import client_for
from chroma_nb.jupyter.widgets.explorer_state import ExplorerState, GivenBy
from chroma_nb.projection.projection import Projection, project
from chroma_nb.types import Where
from chroma_nb.workbench.selection import Selection

if TYPE_CHECKING:
    from chroma_nb.jupyter.widgets.explorer import Explorer, Renderer


def explore(
    collection: Collection | Projection,
    method: str = "auto",
    dims: int = 2,
    *,
    where: Where | None = None,
    sample: int | None = None,
    color: GivenBy = "label",
    size: GivenBy = None,
    n_results: int = 10,
    client: Client | None = None,
    selection: Selection | None = None,
    height: int = 560,
    wait: bool = False,
    renderer: Renderer = "auto",
) -> Explorer:
    """A live map of ``collection``: lasso or box selects, the table follows, a search becomes a star.

    The map of PCA is there at once and gives way to that of ``method`` when it is ready. ``client`` is where
    "Save selection" makes its collection; without it a client variable of the notebook that has this collection.
    ``color`` and ``size`` are those of ``Projection.figure``.
    Several views may share one ``selection``. ``collection`` may also be a ``Projection``. ``renderer`` is "plotly"
    or "scatter" (jupyter-scatter, the extra ``large``), which "auto" takes where it is installed and the map is large.

    >>> import chroma_nb
    >>> collection = chroma_nb.EphemeralClient().create_collection("docs")
    >>> collection.add(ids=["a", "b"], documents=["one", "two"], embeddings=[[0, 3], [4, 0]])
    >>> explorer = explore(collection)
    >>> explorer.selection.ids = ["b"]
    >>> explorer.selection.to_df()
      id document
    0  b      two
    """
    require("ipywidgets", feature="explore()")
    from chroma_nb.jupyter.widgets.explorer import Explorer

    if isinstance(collection, Projection):
        projection = collection
    else:
        projection = project(collection, method, dims, where=where, sample=sample, wait=wait)
    if client is None and projection.collection is not None:
        client = client_for(projection.collection)
    state = ExplorerState(projection, selection, client=client, color=color, size=size, n_results=n_results)
    return Explorer(state, height, renderer)
