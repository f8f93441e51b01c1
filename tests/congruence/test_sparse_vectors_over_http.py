"""What our HttpClient sends of sparse vectors, beside what chromadb's sends for the same call: the same bodies."""

from __future__ import annotations

import importlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import chromadb
import pytest

import chroma_nb
from chroma_nb.client.shared_system_client import SharedSystemClient

ID = str(uuid.UUID(int=7))
#: Index of sparse vectors by Chroma's BM25, made of the document or of a key.
BM25 = {"k": 1.2, "b": 0.75, "avg_doc_length": 256.0, "token_max_length": 40, "include_tokens": False}


def sparse_index(source: str | None, **function: Any) -> Any:
    described = {"type": "known", "name": "chroma_bm25", "config": {**BM25, **function}}
    config = {"embedding_function": described, "bm25": True} | ({} if source is None else {"source_key": source})
    return {"sparse_vector": {"sparse_vector_index": {"enabled": True, "config": config}}}


@dataclass
class Stub:
    """A server that keeps what it is sent; its one collection has the schema that a test gives it."""

    port: int = 0
    schema: Any = None
    heard: list[tuple[str, str, Any]] = field(default_factory=list)

    def reply(self, method: str, path: str) -> Any:
        end = path.rpartition("/")[2]
        if end == "search":
            lists = {name: [None] for name in ("documents", "embeddings", "metadatas", "scores")}
            return {"ids": [[]], **lists, "select": [[]]}
        if end == "pre-flight-checks":
            return {"max_batch_size": 1000, "supports_base64_encoding": False}
        if end == "identity":
            return {"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]}
        if end in ("default_tenant", "default_database"):
            return {"id": ID, "name": end, "tenant": "default_tenant"}
        if "collections" in path and method == "GET":
            place = {"tenant": "default_tenant", "database": "default_database"}
            known = {"id": ID, "name": "birds", "metadata": None, "dimension": 2, "log_position": 0, "version": 0}
            return known | place | {"configuration_json": {}, "schema": self.schema}
        return {}


@pytest.fixture
def stub() -> Iterator[Stub]:
    told = Stub()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            told.heard.append((self.command, self.path, json.loads(body) if body else None))
            content = json.dumps(told.reply(self.command, self.path)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = answer  # noqa: N815  # the names http.server calls

        def log_message(self, *args: object) -> None:
            """Nothing: what counts is what was heard."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def sent(library: ModuleType, stub: Stub, call: Callable[[Any, ModuleType], object]) -> list[Any]:
    """The bodies of the POST requests that ``call`` makes of the collection."""
    SharedSystemClient.clear_system_cache()
    client = library.HttpClient(host="127.0.0.1", port=stub.port)
    collection = client.get_collection("birds", embedding_function=None)
    stub.heard.clear()
    call(collection, library)
    return [(path, body) for method, path, body in stub.heard if method == "POST"]


def without_none(body: Any) -> Any:
    """None in a body may be left out."""
    if isinstance(body, dict):
        return {key: without_none(value) for key, value in body.items() if value is not None}
    return [without_none(one) for one in body] if isinstance(body, list) else body


SCHEMA = {
    "defaults": {},
    "keys": {
        "of_document": sparse_index("#document"),
        "of_title": sparse_index("title", include_tokens=True),
        "of_nothing": sparse_index(None),
        "switched_off": {
            "sparse_vector": {
                "sparse_vector_index": {
                    **sparse_index("#document")["sparse_vector"]["sparse_vector_index"],
                    "enabled": False,
                }
            }
        },
    },
}
VECTOR = [[1.0, 2.0]]
CALLS: dict[str, Callable[[Any, Any], object]] = {
    "add": lambda one, _: one.add(
        ["a", "b"], VECTOR * 2, [{"title": "A red cat", "k": 1}, None], ["A red cat sat", "the"]
    ),
    "add no documents": lambda one, _: one.add(["a", "b"], VECTOR * 2, [{"title": "A red cat"}, {"title": 5}]),
    "add documents only": lambda one, _: one.add("a", VECTOR, documents="A red cat"),
    "add its own": lambda one, lib: one.add(
        "a", VECTOR, {"of_document": lib.SparseVector([1], [2.0], ["x"]), "title": "cat"}, "A red cat"
    ),
    "update document": lambda one, _: one.update("a", VECTOR, documents="A green cat"),
    "update title": lambda one, _: one.update("a", metadatas={"title": "A green cat"}),
    "update other": lambda one, _: one.update("a", metadatas={"k": 2}),
    "update and delete": lambda one, _: one.update("a", VECTOR, {"of_document": None}, "A green cat"),
    "upsert": lambda one, _: one.upsert(["a", "b"], VECTOR * 2, [{"k": 1}, {"title": "blue"}], ["cat", "dog"]),
    "search": lambda one, lib: one.search(lib.Search().rank(lib.Knn("A red cat", key="of_title", limit=3))),
    "search without source": lambda one, lib: one.search(
        [lib.Search().rank(lib.Knn("red", key="of_nothing") * 2 + lib.Knn("the", key="of_document", default=1.0))]
    ),
    "search fused": lambda one, lib: one.search(
        lib.Search()
        .where(lib.K("k") == 1)
        .rank(lib.Rrf([lib.Knn([1.0, 2.0], return_rank=True), lib.Knn("red cat", key="of_title", return_rank=True)]))
        .limit(5)
        .select("title")
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_both_send_the_same(stub: Stub, call: Callable[[Any, ModuleType], object]) -> None:
    stub.schema = SCHEMA
    theirs, ours = sent(chromadb, stub, call), sent(chroma_nb, stub, call)
    assert len(theirs) == 1
    assert without_none(ours) == without_none(theirs)


REFUSED: dict[str, Callable[[Any, Any], object]] = {
    "unknown key": lambda one, lib: one.search(lib.Search().rank(lib.Knn("red", key="nope"))),
    "no function": lambda one, lib: one.search(lib.Search().rank(lib.Knn("red", key="switched_off"))),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_both_refuse_in_the_same_words(stub: Stub, call: Callable[[Any, ModuleType], object]) -> None:
    stub.schema = SCHEMA
    with pytest.raises(ValueError, match=r"^Cannot embed string query") as theirs:
        sent(chromadb, stub, call)
    with pytest.raises(ValueError, match=r"^Cannot embed string query") as ours:
        sent(chroma_nb, stub, call)
    assert str(ours.value) == str(theirs.value)


def test_both_refuse_a_registered_class_that_cannot_be_called_with_input(stub: Stub) -> None:
    class Wrong:
        def __call__(self, texts: Any) -> Any:
            return texts

        @staticmethod
        def name() -> str:
            return "tests-wrong"

        @staticmethod
        def build_from_config(config: Any) -> Any:
            return Wrong()

    index = {"enabled": True, "config": {"source_key": "#document", "embedding_function": {"name": "tests-wrong"}}}
    index["config"]["embedding_function"] |= {"type": "known", "config": {}}  # type: ignore[index]
    stub.schema = {"defaults": {}, "keys": {"sp": {"sparse_vector": {"sparse_vector_index": index}}}}
    said = []
    for library in (chromadb, chroma_nb):
        functions: Any = importlib.import_module(f"{library.__name__}.utils.embedding_functions")
        functions.register_sparse_embedding_function(Wrong)
        with pytest.raises(ValueError, match=r"Expected SparseEmbeddingFunction\.__call__ to have") as caught:
            sent(library, stub, CALLS["add documents only"])
        del functions.sparse_known_embedding_functions["tests-wrong"]
        said.append(str(caught.value))
    assert said[1].splitlines()[0] in said[0]  # among pydantic's words
