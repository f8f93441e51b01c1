"""A shell with the extension loaded, and clients of both kinds."""

import uuid

import numpy as np
import pytest
from emptied_client import emptied_client
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


class Words:
    """An embedding function that counts letters: alike words are near, nothing is downloaded."""

    def __call__(self, input):
        return [np.array([text.lower().count(letter) + 0.01 for letter in "abcdefgh"], np.float32) for text in input]

    def embed_query(self, input):
        return self(input)

    @staticmethod
    def name():
        return "words-of-the-tests"

    def default_space(self):
        return "l2"

    def supported_spaces(self):
        return ["l2", "cosine", "ip"]

    def is_legacy(self):
        return False

    def get_config(self):
        return {}

    @staticmethod
    def build_from_config(config):
        return Words()

    @staticmethod
    def validate_config(config):
        pass

    def validate_config_update(self, old, new):
        pass


@pytest.fixture(params=["chroma_nb", "chromadb"])
def client(request):
    """An empty client of ours, and of chromadb's own."""
    with emptied_client(request.param) as client:
        yield client


@pytest.fixture
def words():
    return Words()


@pytest.fixture
def papers(client):
    """Three records with metadata of several kinds."""
    collection = client.create_collection(f"papers-{uuid.uuid4().hex[:6]}", embedding_function=Words())
    collection.add(
        ids=["p1", "p2", "p3"],
        documents=["a bad cab", "deaf ghee", "the whale"],
        metadatas=[{"year": 2019, "topic": "a"}, {"year": 2021, "topic": "b"}, {"year": 2023, "topic": "it's"}],
    )
    return collection


@pytest.fixture(scope="session")
def only_shell(tmp_path_factory):
    """One for all: each shell collects garbage for a quarter of a second when the process ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))


@pytest.fixture
def shell(only_shell):
    """A shell with the extension freshly loaded and no variables of earlier tests."""
    before = dict(only_shell.user_ns)
    only_shell.run_line_magic("load_ext", "chroma_nb")
    yield only_shell
    only_shell.run_line_magic("unload_ext", "chroma_nb")
    only_shell.config.pop("ChromaMagics", None)
    only_shell.user_ns.clear()
    only_shell.user_ns.update(before)


@pytest.fixture
def chroma(shell, client, papers):
    """``%chroma`` in a notebook whose variables are ``client`` and ``papers``."""
    shell.user_ns.update(client=client, papers=papers)

    def run(line, cell=None):
        return shell.run_line_magic("chroma", line) if cell is None else shell.run_cell_magic("chroma", line, cell)

    return run
