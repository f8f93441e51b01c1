"""A collection knows which model embeds for it, stays with its variant, and does not pay twice for a text."""

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_nb
from chroma_nb.embedding_functions import OllamaEmbeddingFunction, models, onnx_minilm
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.embedding_functions.onnx_minilm import ONNXMiniLM_L6_V2

CHROMAS_VIEW = {"type": "known", "name": "default", "config": {}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No cache folder of Chroma's, and what is said once may be said again."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("CHROMA_NB_MODEL", "CHROMA_NB_EMBEDDING_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    onnx_minilm._say_other_variant.cache_clear()
    return tmp_path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def client(data: Path) -> Iterator[Any]:
    with chroma_nb.PersistentClient(data) as client:
        yield client


def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each batch of the model has had since."""
    model = onnx_minilm.open_model(models.packaged_model())
    counts: list[int] = []
    run = model.run

    def counted(encoded: Any) -> Any:
        counts.append(len(encoded))
        return run(encoded)

    monkeypatch.setattr(model, "run", counted)
    return counts


# --- Which model --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("write", ["add", "upsert"])
def test_the_variant_is_recorded_with_the_first_text_and_chromas_view_stays(client: Any, write: str) -> None:
    birds = client.create_collection("birds")
    assert birds.embedding_model == "all-MiniLM-L6-v2"
    getattr(birds, write)(ids=["wren"], documents=["a small brown bird"])
    assert birds.embedding_model == "all-MiniLM-L6-v2 (int8)"
    again = client.get_collection("birds")
    assert again.embedding_model == "all-MiniLM-L6-v2 (int8)"
    assert again.configuration_json["embedding_function"] == CHROMAS_VIEW
    assert again.get_model().embedding_model == "int8"


def test_vectors_given_or_questions_asked_record_nothing(client: Any) -> None:
    birds = client.create_collection("birds")
    birds.add(ids=["wren"], embeddings=[[0.5] * 384], documents=["a small brown bird"])
    birds.query(query_texts=["brown"])
    birds.update(ids=["wren"], metadatas=[{"grams": 9}])
    assert client.get_collection("birds").get_model().embedding_model is None


def test_a_collection_stays_with_its_variant_when_another_appears(client: Any, home: Path) -> None:
    client.create_collection("birds").add(ids=["wren"], documents=["a small brown bird"])
    folder = home / ".cache" / "chroma" / "onnx_models" / "all-MiniLM-L6-v2" / "onnx"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(models.packaged_model().read_bytes() + b"\xa2\x3e\x01x")
    birds = client.get_collection("birds")
    assert birds._context.function().embedding_model == "int8"
    other = client.create_collection("other")
    other.add(ids=["wren"], documents=["a small brown bird"])
    assert other.embedding_model.startswith("all-MiniLM-L6-v2 (sha256:")


def test_a_collection_whose_variant_is_not_here_works_and_says_so(client: Any) -> None:
    birds = client.create_collection("birds")
    birds._client._backend.engine.update_settings(birds.id, {"embedding_model": "fp32"})
    birds = client.get_collection("birds")
    with pytest.warns(UserWarning, match=r"all-MiniLM-L6-v2 \(fp32\).*only the variant int8"):
        birds.add(ids=["wren"], documents=["a small brown bird"])
    assert birds.query(query_texts=["bird"])["ids"] == [["wren"]]
    assert birds.embedding_model == "all-MiniLM-L6-v2 (fp32)"


def test_the_first_record_of_the_variant_counts(client: Any) -> None:
    early, late = client.create_collection("birds"), client.get_collection("birds")
    early.add(ids=["wren"], documents=["a small brown bird"])
    late._client._backend.engine.update_settings(late.id, {"embedding_model": "fp32"})
    late.add(ids=["crow"], documents=["a big black bird"])
    assert late.get_model().embedding_model == "fp32"


def test_a_collection_of_chromas_stays_with_chromas_weights(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, chromadb
        client = chromadb.PersistentClient(sys.argv[1])
        for name, dimension in (("birds", 384), ("numbers", 3)):
            client.create_collection(name).add(ids=["a"], embeddings=[[0.5] * dimension])
        client.create_collection("empty")
        """
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "theirs")], check=True, capture_output=True)
    with chroma_nb.PersistentClient(tmp_path / "theirs") as client:
        described = {name: client.get_collection(name).embedding_model for name in ("birds", "numbers", "empty")}
        minilm = "all-MiniLM-L6-v2"
        assert described == {"birds": f"{minilm} (fp32)", "numbers": minilm, "empty": minilm}
        with pytest.warns(UserWarning, match="only the variant int8"):
            client.get_collection("birds").query(query_texts=["a bird"])


def test_other_functions_are_described_by_what_is_stored(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    named = client.create_collection("named", embedding_function=OllamaEmbeddingFunction(model_name="nomic-embed-text"))
    assert named.embedding_model == "ollama: nomic-embed-text"
    assert client.get_collection("named").embedding_model == "ollama: nomic-embed-text"
    assert client.create_collection("none", embedding_function=None).embedding_model is None
    minilm = client.create_collection("minilm", embedding_function=ONNXMiniLM_L6_V2())
    minilm.add(ids=["wren"], documents=["a small brown bird"])
    assert minilm.embedding_model == "all-MiniLM-L6-v2 (int8)"


def test_a_server_keeps_no_note_but_the_handle_does() -> None:
    with (
        chroma_nb.EphemeralClient() as local,
        chroma_nb.serve(local, port=0) as server,
        chroma_nb.HttpClient(port=server.port) as client,
    ):
        birds = client.create_collection("remote-birds")
        birds.add(ids=["wren"], documents=["a small brown bird"])
        assert birds.embedding_model == "all-MiniLM-L6-v2 (int8)"
        assert birds.query(query_texts=["bird"])["ids"] == [["wren"]]


# --- Not twice ----------------------------------------------------------------------------------------------
def test_a_cell_run_again_embeds_nothing(client: Any, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = ran(monkeypatch)
    texts = ["a small brown bird", "a big black bird"]
    client.create_collection("birds").add(ids=["wren", "crow"], documents=texts)
    assert sum(counts) == 2
    client.delete_collection("birds")
    again = client.create_collection("birds")
    again.add(ids=["wren", "crow"], documents=texts)
    again.upsert(ids=["wren"], documents=texts[:1])
    again.query(query_texts=texts[:1])
    assert sum(counts) == 2
    assert (data / "cache" / "embeddings.sqlite3").is_file()


def test_remembered_vectors_are_the_models(client: Any) -> None:
    for name in ("first", "second"):
        client.create_collection(name).add(ids=["wren"], documents=["a small brown bird"])
    vectors = [client.get_collection(name).get(include=["embeddings"])["embeddings"] for name in ("first", "second")]
    assert np.array_equal(vectors[0], vectors[1])


@pytest.mark.parametrize("value", ["0"])
def test_remembering_can_be_switched_off(client: Any, data: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CHROMA_NB_EMBEDDING_CACHE", value)
    client.create_collection("birds").add(ids=["wren"], documents=["a small brown bird"])
    assert not (data / "cache" / "embeddings.sqlite3").exists()


def test_a_function_the_user_chose_is_not_remembered(client: Any, data: Path) -> None:
    birds = client.create_collection("birds", embedding_function=ONNXMiniLM_L6_V2())
    birds.add(ids=["wren"], documents=["a small brown bird"])
    assert not (data / "cache" / "embeddings.sqlite3").exists()


def test_a_foreign_file_in_its_place_is_said_and_left_alone(client: Any, data: Path) -> None:
    place = data / "cache" / "embeddings.sqlite3"
    place.parent.mkdir(exist_ok=True)
    foreign = sqlite3.connect(place)
    foreign.execute("CREATE TABLE precious (a)")
    foreign.close()
    before = place.read_bytes()
    with pytest.warns(UserWarning, match="another database"):
        client.create_collection("birds").add(ids=["wren"], documents=["a small brown bird"])
    assert place.read_bytes() == before


def test_a_cached_function_stays_with_the_collections_variant(client: Any, tmp_path: Path) -> None:
    chosen = chroma_nb.cached(DefaultEmbeddingFunction(), path=tmp_path / "mine.sqlite3")
    birds = client.create_collection("birds", embedding_function=chosen)
    birds.add(ids=["wren"], documents=["a small brown bird"])
    assert birds.embedding_model == "all-MiniLM-L6-v2 (int8)"
    assert client.get_collection("birds").configuration_json["embedding_function"] == CHROMAS_VIEW
    assert (tmp_path / "mine.sqlite3").is_file()


# --- Bad input, and no network --------------------------------------------------------------------------------
@pytest.mark.parametrize("documents", [[None], ["half a pair \ud83d"], [3]])
def test_what_cannot_be_embedded_leaves_the_collection_as_it_was(client: Any, documents: Any) -> None:
    birds = client.create_collection("birds")
    with pytest.raises(ValueError, match=r"."):
        birds.add(ids=["a"], documents=documents)
    assert birds.count() == 0


def test_the_first_minute_needs_no_network(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import socket, sys

        def refused(*args, **kwargs):
            raise AssertionError("the network was asked")

        socket.socket.connect = socket.getaddrinfo = socket.create_connection = refused
        import chroma_nb
        birds = chroma_nb.PersistentClient(sys.argv[1]).create_collection("birds")
        birds.add(ids=["wren", "tax"], documents=["a small brown bird", "a tax return"])
        assert birds.query(query_texts=["wings"], n_results=1)["ids"] == [["wren"]]
        """
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "fresh")], check=True)
