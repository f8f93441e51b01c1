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


def test_a_filter_of_documents_is_given_as_for_browse_and_search(chroma, shell):
    line = "papers --where \"year > 2000 and document contains 'a'\" --contains b"
    bench = chroma(f"map {line} --method pca")
    assert bench.ids() == bench.projection.ids == chroma(f"browse {line}").ids() == ["p1"]
    chroma("map papers --contains whale --as df -o found")
    assert shell.user_ns["found"]["id"].tolist() == ["p3"]
    with pytest.raises(UsageError, match="--contains needs a collection"):
        chroma("browse --contains whale")


def test_a_table_in_a_variable_is_browsed_and_drawn_as_one(chroma, shell, monkeypatch):
    monkeypatch.setattr("chroma_nb.workbench.shown._CELLS", {})
    shell.user_ns["mine"] = pd.DataFrame(
        {"id": ["a", "b"], "embedding": [[1.0, 0.0], [0.0, 1.0]], "year": [2020, 2022]}
    )
    bench = chroma("browse mine --where 'year > 2020'")
    assert bench.ids() == ["b"]
    assert chroma("map :mine --method pca --sample 1").view == "map"
    chroma("map mine --as df -o found")
    assert shell.user_ns["found"]["id"].tolist() == ["a", "b"]
    shell.user_ns["bare"] = shell.user_ns["mine"].drop(columns=["id", "embedding"])
    with pytest.raises(UsageError, match="%chroma map: expected a column of texts"):
        chroma("map :bare")
    with pytest.raises(UsageError, match="%chroma browse: expected a column of texts"):
        chroma("browse bare")


def test_a_collection_is_meant_before_a_table_of_its_name(chroma, client, shell):
    client.create_collection("both", embedding_function=None).add(ids=["x"], embeddings=[[1.0, 0.0]])
    shell.user_ns["both"] = pd.DataFrame({"embedding": [[1.0, 0.0], [0.0, 1.0]]})
    assert chroma("browse both").ids() == ["x"]
    assert chroma("browse :both").ids() == ["0", "1"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("map papers --color colour", "No record has the metadata key 'colour'"),
        ("map papers more", "takes a collection, got 'more' as well"),
        ("map papers --method magic", "magic"),
    ],
)
def test_mistakes_are_one_line(chroma, line, message):
    with pytest.raises(UsageError, match=message):
        chroma(line)
