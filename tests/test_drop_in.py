"""``import chromadb`` gives chroma_nb: in this process, in children, and no longer after uninstalling.

Every case runs in a process of its own: the one that runs the tests may have chromadb itself in use.
"""

import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE_ROOT = Path(__file__).parents[1]
IN = "import chroma_nb; chroma_nb.install_as_chromadb()\n"


def run(code, *arguments, folder=None, environment=None):
    """What a fresh Python prints that runs ``code``; warnings are errors there, too."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT), **(environment or {})},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_top_module_forwards_to_ours_but_for_its_version():
    code = """
        import chromadb, importlib.metadata
        assert chromadb.__version__ == "1.5.9" != chroma_nb.__version__
        assert importlib.metadata.version("chromadb") == "1.5.9"
        assert chromadb.PersistentClient is chroma_nb.PersistentClient
        assert chromadb.Collection is chroma_nb.Collection
        assert "EphemeralClient" in dir(chromadb)
        assert isinstance(chromadb.EphemeralClient(), chromadb.ClientCreator)
        from chromadb import Client, ClientAPI, GetResult, K, Knn, Rrf, Search, Settings
        try:
            chromadb.nothing_of_this_name
        except AttributeError as error:
            print(error)
    """
    assert run(IN + textwrap.dedent(code)) == "module 'chromadb' has no attribute 'nothing_of_this_name'"


#: Chroma's paths that are ours.
PATHS = """
    api api.types api.client api.async_api api.async_client api.shared_system_client api.collection_configuration
    api.configuration api.models.Collection api.models.AsyncCollection api.models.CollectionCommon base_types config
    errors execution.expression execution.expression.operator execution.expression.plan types utils.batch_utils
    utils.results utils.data_loaders utils.distance_functions utils.embedding_functions
    utils.embedding_functions.openai_embedding_function utils.embedding_functions.onnx_mini_lm_l6_v2 auth.token_authn
"""


def test_submodules_are_the_same_module_objects_and_keep_their_own_names():
    code = """
        import importlib, sys
        for path in sys.argv[1].split():
            theirs = importlib.import_module("chromadb." + path)
            ours = importlib.import_module("chroma_nb." + path)
            assert theirs is ours and sys.modules["chromadb." + path] is ours, path
            assert ours.__name__ == ours.__spec__.name == "chroma_nb." + path, ours.__spec__
        for path in sys.argv[1].split():
            spec = sys.modules["chroma_nb." + path].__spec__
            del sys.modules["chromadb." + path]
            assert importlib.import_module("chromadb." + path).__spec__ is spec, path
    """
    run(IN + textwrap.dedent(code), PATHS)


def test_names_that_widely_used_packages_import_are_there():
    run(
        IN
        + textwrap.dedent("""
        import chromadb
        chromadb.utils, chromadb.config, chromadb.errors, chromadb.api, chromadb.types, chromadb.auth
        from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings, System
        from chromadb.api import AsyncClientAPI, ClientAPI, CreateCollectionConfiguration, EmbeddingFunction
        from chromadb.api.types import (
            ID, URI, CollectionMetadata, DataLoader, DefaultEmbeddingFunction, Document, Documents, Embeddable,
            Embeddings, EmbeddingFunction, GetResult, Include, Loadable, Metadata, OneOrMany, QueryResult, Where,
            WhereDocument, validate_where, validate_where_document,
        )
        from chromadb.api.models.Collection import Collection
        from chromadb.api.shared_system_client import SharedSystemClient
        SharedSystemClient.clear_system_cache(), SharedSystemClient._identifier_to_system
        from chromadb.api.collection_configuration import CreateCollectionConfiguration, UpdateHNSWConfiguration
        from chromadb.utils.batch_utils import create_batches
        from chromadb.errors import ChromaError, InvalidDimensionException, NotFoundError
        client = chromadb.EphemeralClient()
        assert isinstance(client, ClientAPI)
        collection = client.get_or_create_collection("abc")
        assert isinstance(collection, Collection)
        collection._client, collection._embedding_function, collection._model, client._identifier
        for call, words in ((lambda: client.get_collection("none"), "does not exist"),
                            (lambda: client.create_collection("abc"), "already exists")):
            try:
                call()
            except ChromaError as error:
                assert words in str(error)
            else:
                raise AssertionError(words)
        client._system.stop()
    """)
    )


def test_names_that_mean_nothing_here_raise_when_used_and_not_when_imported():
    code = """
        from chromadb.telemetry.product.posthog import Posthog
        from chromadb.api.base_http_client import BaseHTTPClient
        from chromadb.db.impl.sqlite import SqliteDB
        from chromadb.auth.basic_authn import BasicAuthenticationServerProvider
        for name in (Posthog, BaseHTTPClient, SqliteDB, BasicAuthenticationServerProvider):
            class Mine(name):
                pass
            for use in (name, Mine, lambda: name.capture):
                try:
                    use()
                except NotImplementedError as error:
                    assert "belongs to the internals of Chroma" in str(error)
                else:
                    raise AssertionError("used")
    """
    run(IN + textwrap.dedent(code))


def test_paths_that_chroma_does_not_have_are_not_found():
    code = """
        import importlib
        for name in ("chromadb.engine", "chromadb.nonsense", "chromadb.api.nonsense", "chromadb.jupyter"):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                assert error.name == name
            else:
                raise AssertionError(name)
    """
    run(IN + textwrap.dedent(code))


def test_patching_through_the_alias_patches_ours():
    code = """
        from unittest.mock import patch
        import chromadb, chroma_nb.errors
        with patch("chromadb.errors.NotFoundError") as double:
            assert chroma_nb.errors.NotFoundError is double
        with patch("chromadb.PersistentClient", return_value=3):
            assert chromadb.PersistentClient("x") == 3
        assert chromadb.PersistentClient is chroma_nb.PersistentClient
    """
    run(IN + textwrap.dedent(code))


def test_uninstalling_restores_what_was_there(tmp_path):
    (tmp_path / "chromadb").mkdir()
    (tmp_path / "chromadb" / "__init__.py").write_text("__version__ = 'the real one'\n")
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        before = list(sys.meta_path), list(sys.path), __import__("os").environ["PYTHONPATH"]
        import chroma_nb
        chroma_nb.install_as_chromadb(children=True)
        chroma_nb.install_as_chromadb(children=True)
        import chromadb, chromadb.errors
        assert chromadb.__version__ == "1.5.9"
        chroma_nb.uninstall_as_chromadb()
        chroma_nb.uninstall_as_chromadb()
        assert before == (list(sys.meta_path), list(sys.path), __import__("os").environ["PYTHONPATH"])
        import chroma_nb.errors
        assert chroma_nb.errors.__spec__.name == "chroma_nb.errors"
        import chromadb
        print(chromadb.__version__)
    """
    assert run(code, tmp_path) == "the real one"


def test_with_another_chromadb_imported_already_it_refuses_with_an_explanation(tmp_path):
    (tmp_path / "chromadb").mkdir()
    (tmp_path / "chromadb" / "__init__.py").write_text("__version__ = '1.2.3'\n")
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import chromadb, chroma_nb
        try:
            chroma_nb.install_as_chromadb()
        except RuntimeError as error:
            print(error)
        assert chromadb is __import__("chromadb")
    """
    said = run(code, tmp_path)
    assert "chromadb (1.2.3, from" in said
    assert "Restart (in a notebook: the kernel)" in said


CHILD = """
import chromadb, importlib.metadata
print(chromadb.__version__, chromadb.Client.__module__, importlib.metadata.version("chromadb"))
"""


def test_a_child_process_gets_it_when_asked_and_only_then():
    code = """
        import subprocess, sys, chroma_nb
        chroma_nb.install_as_chromadb(children={children})
        done = subprocess.run([sys.executable, "-c", sys.argv[1]], capture_output=True, text=True)
        print(done.stdout)
    """
    assert run(code.format(children=True), CHILD) == "1.5.9 chroma_nb.client.factory 1.5.9"
    found = "import importlib.util; print('drop-in' in str(importlib.util.find_spec('chromadb')))"
    assert run(code.format(children=True), found) == "True"
    assert run(code.format(children=False), found) == "False"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_hands_it_on(method, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        import multiprocessing, sys

        def work(queue):
            import chromadb
            queue.put(chromadb.PersistentClient.__module__)

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            queue = context.Queue()
            process = context.Process(target=work, args=(queue,))
            process.start()
            print(queue.get(timeout=60))
            process.join()
        """)
    )
    code = "import sys; from chroma_nb.run import main; sys.exit(main(sys.argv[1:]))"
    assert run(code, program, method) == "chroma_nb.client.factory"


def test_run_gives_a_program_its_own_arguments_and_folder(tmp_path):
    (tmp_path / "beside.py").write_text("import chromadb\nVERSION = chromadb.__version__\n")
    (tmp_path / "program.py").write_text(
        "import sys, beside\nprint(sys.argv[1:], beside.VERSION, __name__)\nsys.exit(3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "chroma_nb.run", tmp_path / "program.py", "a", "--b"],
        env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (3, "['a', '--b'] 1.5.9 __main__"), done.stderr


def test_run_runs_modules_and_says_how_it_is_used():
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}
    for arguments, status, words in (
        (["-m", "platform"], 0, ""),
        ([], 2, "usage: python -m chroma_nb.run"),
        (["nowhere.py"], 2, "expected the path of a program, got 'nowhere.py'"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "chroma_nb.run", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status
        assert words in done.stderr


# --- Libraries, unmodified ------------------------------------------------------------------------------

LANGCHAIN = """
    import asyncio, sys
    from langchain_chroma import Chroma
    from langchain_core.documents import Document
    from langchain_core.embeddings import DeterministicFakeEmbedding

    embeddings = DeterministicFakeEmbedding(size=16)
    texts = [Document(page_content=f"text {n}", metadata={"n": n, "even": n % 2 == 0}) for n in range(10)]

    def store():
        return Chroma("things", embeddings, persist_directory=sys.argv[1], collection_metadata={"hnsw:space": "cosine"})

    first = store()
    assert first.add_documents(texts, ids=[str(n) for n in range(10)]) == [str(n) for n in range(10)]
    assert [one.id for one in first.similarity_search("text 3", k=1)] == ["3"]
    assert all(one.metadata["even"] for one in first.similarity_search("text 3", k=5, filter={"even": True}))
    found = first.similarity_search("text 3", k=10, where_document={"$contains": "7"})
    assert [one.id for one in found] == ["7"]
    [(nearest, distance)] = first.similarity_search_with_score("text 4", k=1)
    assert nearest.id == "4" and abs(distance) < 1e-6
    assert len(first.max_marginal_relevance_search("text 3", k=3)) == 3
    first.delete(ids=["3"])
    assert first.get(where={"n": {"$lt": 5}})["ids"] == ["0", "1", "2", "4"]
    first.update_document("4", Document(page_content="new four", metadata={"n": 44}))
    assert first.get_by_ids(["4"])[0].page_content == "new four"
    again = store()
    assert len(again.get()["ids"]) == 9
    assert [one.id for one in asyncio.run(again.asimilarity_search("new four", k=1))] == ["4"]
    asyncio.run(again.aadd_texts(["late"], ids=["late"]))
    assert first._collection.count() == 10
    again.reset_collection()
    assert again._collection.count() == 0
    again.delete_collection()
"""

LLAMA_INDEX = """
    import asyncio, sys
    import chromadb
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery
    from llama_index.vector_stores.chroma import ChromaVectorStore

    def store():
        collection = chromadb.PersistentClient(sys.argv[1]).get_or_create_collection("nodes")
        return collection, ChromaVectorStore(chroma_collection=collection)

    collection, first = store()
    nodes = [TextNode(text=f"t{n}", id_=str(n), embedding=[float(n), 1.0], metadata={"n": n}) for n in range(5)]
    assert first.add(nodes) == ["0", "1", "2", "3", "4"]
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=2, operator="<=")])
    answer = first.query(VectorStoreQuery(query_embedding=[4.0, 1.0], similarity_top_k=2, filters=filters))
    assert answer.ids == ["2", "1"] and [node.get_content() for node in answer.nodes] == ["t2", "t1"]
    assert asyncio.run(first.aquery(VectorStoreQuery(query_embedding=[4.0, 1.0], similarity_top_k=1))).ids == ["4"]
    first.delete_nodes(["3"])
    asyncio.run(first.async_add([TextNode(text="late", id_="late", embedding=[9.0, 9.0])]))
    collection, again = store()
    assert collection.count() == 5
    assert [node.node_id for node in again.get_nodes(["late"])] == ["late"]
    again.clear()
    assert collection.count() == 0
"""


@pytest.mark.parametrize(
    ("package", "code"),
    [("langchain_chroma", LANGCHAIN), ("llama_index.vector_stores.chroma", LLAMA_INDEX)],
    ids=["langchain-chroma", "llama-index"],
)
def test_a_library_adds_searches_with_filters_deletes_and_persists_on_us_unmodified(package, code, tmp_path):
    top = package.split(".")[0]
    if find_spec(top) is None or find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install langchain-chroma llama-index-vector-stores-chroma")
    # Their own dependencies warn at import; ours alone is under test here.
    silent = "import warnings; warnings.simplefilter('ignore')\n"
    run(silent + IN + textwrap.dedent(code), tmp_path / "store")
