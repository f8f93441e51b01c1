"""Whatever a database keeps is readable by its owner alone, in a directory that everybody may read, too."""

import os

import numpy as np
import pytest

import chroma_nb
from chroma_nb.embedding_functions.cache import cached


@pytest.fixture(autouse=True)
def _usual_mask():
    before = os.umask(0o022)
    yield
    os.umask(before)


class Lengths(chroma_nb.EmbeddingFunction):
    """A vector of each text's length and first letter."""

    def __init__(self):
        pass

    def __call__(self, input):
        return [np.array([len(text), ord(text[0])], np.float32) for text in input]

    @staticmethod
    def name():
        return "lengths-of-the-modes"

    @staticmethod
    def build_from_config(config):
        return Lengths()

    def get_config(self):
        return {}


def test_all_files_and_folders_are_for_their_owner_alone(tmp_path):
    place = tmp_path / "shared"
    place.mkdir(mode=0o755)
    function = cached(Lengths(), path=place / "cache" / "embeddings.sqlite3")
    with chroma_nb.PersistentClient(place) as client:
        birds = client.create_collection("birds", embedding_function=function)
        birds.add(ids=[f"b{n}" for n in range(300)], documents=[f"wren {n}" for n in range(300)])
        birds.hybrid("wren", n_results=2)
        chroma_nb.project(birds, "pca")
        found = {path.relative_to(place): path.stat().st_mode & 0o077 for path in place.rglob("*")}
    assert "embeddings.sqlite3" in {path.name for path in found}
    assert any(path.suffix == ".npz" for path in found)
    assert {path: mode for path, mode in found.items() if mode} == {}


def test_a_cache_of_embeddings_in_a_place_of_its_own(tmp_path):
    path = tmp_path / "deep" / "er" / "vectors.sqlite3"
    cached(Lengths(), path=path)(["a", "b"])
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == {
        file.name: "0o600" for file in path.parent.iterdir()
    }
    cached(Lengths(), path=path)(["a", "c"])  # one that is there already
