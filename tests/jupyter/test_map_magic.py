"""%chroma map."""

import pandas as pd
import pytest
from IPython.core.error import UsageError

from chroma_nb.workbench import export
from chroma_nb.workbench.widget import Workbench


def test_map_explores_a_collection_and_its_client_is_found(chroma, client, papers):
    explorer = chroma("map papers --color topic --method pca")
    assert isinstance(explorer, Workbench)
    assert (explorer.view, explorer.colour) == ("map", "topic")
    explorer.selection.ids = ["p1"]
    export.export(explorer._seen, {"to": "collection", "target": "chosen", "rows": "selected"})
    assert client.get_collection("chosen", embedding_function=papers._embedding_function).count() == 1


def test_map_as_a_table(chroma, shell):
    assert chroma('map papers --where "year > 2020" --as df --dims 3 -o found') is None
    found = shell.user_ns["found"]
    assert isinstance(found, pd.DataFrame)
    assert found["id"].tolist() == ["p2", "p3"]
    assert "z" in found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("map papers --color colour", "no record has the metadata key 'colour'"),
        ("map papers more", "takes a collection, got also 'more'"),
        ("map papers --method magic", "magic"),
        ("map papers --where \"document contains 'whale'\"", "not the text of documents"),
    ],
)
def test_mistakes_are_one_line(chroma, line, message):
    with pytest.raises(UsageError, match=message):
        chroma(line)
