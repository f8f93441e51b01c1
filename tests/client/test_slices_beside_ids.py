"""Slices of a column beside slices of another belong together by their rows, and never by their places."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

TABLE = pd.DataFrame({"id": list("abcdefgh"), "text": list("ABCDEFGH")})


@pytest.fixture
def collection(sync_client: Any) -> Any:
    return sync_client.create_collection("things", embedding_function=None)


@pytest.mark.parametrize("rows", [slice(4, None), slice(1, 5), slice(None, None, 2), slice(7, 3, -1)], ids=str)
def test_slices_of_other_rows_are_refused(collection: Any, rows: slice) -> None:
    with pytest.raises(ValueError, match=r"Expected a value for each row, got none for .* To match by position, pass"):
        collection.add(ids=TABLE.id[:4], embeddings=[[1, 2]] * 4, documents=TABLE.text[rows])
    assert collection.count() == 0


@pytest.mark.parametrize("rows", [slice(4, None), slice(None, None, 2), slice(7, 3, -1)], ids=str)
def test_slices_of_the_same_rows_go_by_row(collection: Any, rows: slice) -> None:
    texts = TABLE.text[rows]
    for given in (texts, texts[::-1], texts.reset_index(drop=True), texts.to_numpy()):
        collection.upsert(ids=TABLE.id[rows], embeddings=[[1, 2]] * 4, documents=given)
        found = collection.get()
        assert [text.lower() for text in found["documents"]] == found["ids"]
