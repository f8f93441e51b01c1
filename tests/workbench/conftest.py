"""A workbench without a front end: what it says to the page is kept, and the page's words are said to it."""

import itertools

import numpy as np
import pytest
from emptied_client import emptied_client

from chroma_nb.workbench.widget import Workbench


class Letters:
    """An embedding function that needs no model: how many a, b, and letters a text has."""

    def __call__(self, input):
        return [np.array([text.count("a") + 1, text.count("b"), len(text)], np.float32) for text in input]

    def embed_query(self, input):
        return self(input)

    @staticmethod
    def name():
        return "letters-of-the-tests"

    def default_space(self):
        return "l2"

    def supported_spaces(self):
        return ["l2"]

    def is_legacy(self):
        return False

    def get_config(self):
        return {}

    @staticmethod
    def build_from_config(config):
        return Letters()

    @staticmethod
    def validate_config(config):
        pass

    def validate_config_update(self, old, new):
        pass


@pytest.fixture(autouse=True)
def _maps_are_kept_in_the_tests_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture(params=["chroma_nb", "chromadb"])
def client(request):
    """An empty client of ours, and of chromadb's own."""
    with emptied_client(request.param) as client:
        yield client


@pytest.fixture
def birds(client):
    """300 records with metadata of several types; a key that only the last of them has."""
    collection = client.create_collection("birds", embedding_function=None)
    kinds = ["wren", "heron", "swift"]
    metadatas = [
        {
            "kind": kinds[i % 3],
            "year": 1990 + i % 30,
            "weight": i / 7,
            "ringed": i % 2 == 0,
            "seen": f"2024-05-{1 + i % 28:02}",
        }
        for i in range(300)
    ]
    metadatas[-1]["rare"] = "x"
    for metadata in metadatas[:10]:
        del metadata["year"]
    collection.add(
        ids=[f"b{i:03}" for i in range(300)],
        documents=[f"bird number {i}" for i in range(300)],
        embeddings=np.random.default_rng(0).random((300, 3), np.float32),
        metadatas=metadatas,
    )
    return collection


@pytest.fixture
def papers(client):
    collection = client.create_collection("papers", embedding_function=Letters())
    collection.add(
        ids=["p1", "p2", "p3"],
        documents=["a bad cab", "deaf ghee", "dab"],
        metadatas=[{"year": 2019, "topic": "a", "w": 1.0}, {"year": 2021, "topic": "b"}, {"topic": "c"}],
    )
    return collection


class Page:
    """The front end's end of a workbench."""

    def __init__(self, workbench):
        self.workbench, self.heard = workbench, []
        self._numbers = itertools.count(1)
        workbench.send = self._hear

    def _hear(self, content, buffers=()):
        """Bytes travel beside; ``bytes`` says what they are."""
        self.heard.append({**content, **dict(zip(content.get("bytes", ()), buffers, strict=True))})

    def tell(self, kind, who="page", **body):
        """Send a request; its number."""
        n = next(self._numbers)
        bytewise = [name for name, value in body.items() if isinstance(value, bytes)]
        plain = {name: value for name, value in body.items() if name not in bytewise}
        said = {"who": who, "n": n, "kind": kind, **plain, **({"bytes": bytewise} if bytewise else {})}
        self.workbench._handle_custom_msg(said, [body[name] for name in bytewise])
        return n

    def answers(self, n):
        """What was answered to a request."""
        assert self.workbench._requests.settle(30)
        return [said for said in self.heard if said.get("n") == n]

    def ask(self, kind, **body):
        """Send a request and wait for its answer."""
        (answer,) = self.answers(self.tell(kind, **body))
        return answer

    def set(self, **state):
        """Set traits, as the page does."""
        self.workbench.set_state(state)


@pytest.fixture
def show(request):
    """``show(collection, …)`` makes a workbench and the page that shows it."""

    def make(collection, **options):
        workbench = Workbench(collection, **options)
        request.addfinalizer(workbench.close)
        return workbench, Page(workbench)

    return make
