"""all-MiniLM-L6-v2 on onnxruntime: the default embedding model.

Chroma pads every text to 256 tokens; here texts of like length stand together and are padded to the longest of a
small batch, which changes no bit of a vector. Where the file comes from is ``models.py``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

import chroma_nb.embedding_functions.models as models
from chroma_nb import _locks
from chroma_nb._optional import Untyped, require
from chroma_nb._processors import may_use_threads, usable_processors
from chroma_nb.embedding_functions.base import Config, EmbeddingFunction
from chroma_nb.embedding_functions.batches import batches_by_length, distinct, in_batches, texts_of
from chroma_nb.embedding_functions.progress import Progress, progress_bar
from chroma_nb.types import Documents, Embeddings, Ints, Matrix, Space

DIMENSION = 384
#: The model reads this many tokens of a text; two of them are [CLS] and [SEP].
MAX_TOKENS = 256
#: One batch: 32 short texts, or as many long ones as make this many tokens. Attention grows with their square.
BATCH_TOKENS = 1024
BATCH_TEXTS = 32
#: Texts tokenized ahead of the model; what bounds the memory of a call, apart from its result.
CHUNK_TEXTS = 2048
#: Characters first given to the tokenizer: nearly always more than 256 tokens, and a 1 MB text costs no more.
FIRST_CHARACTERS = 4096
MAX_WORKERS = 16
#: A text and what the 32-bit model makes of it.
KNOWN_TEXT = "physical entity: an entity that has physical existence"
#: Cosine to the known vector, at least: of this model in any precision; of its 32-bit weights.
SAME_MODEL, SAME_WEIGHTS = 0.99, 0.99995
#: Providers that are slower or of no use for this model.
UNSUITED_PROVIDERS = {"CoreMLExecutionProvider", "AzureExecutionProvider"}
_TELEMETRY = "ORT_DISABLE_TELEMETRY"

Ids = Ints


# --- Arithmetic -----------------------------------------------------------------------------------------
def pad(encoded: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
    """Token ids as the rows of one array, and the mask that tells them from padding."""
    shape = (len(encoded), max(map(len, encoded)))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, tokens in enumerate(encoded):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


def pool(hidden: Matrix, mask: Ids) -> Matrix:
    """The mean of the tokens' vectors, of length 1 (a vector of length 0 stays one)."""
    weights = mask[..., np.newaxis]
    means = np.sum(hidden * weights, axis=1) / np.clip(weights.sum(1), 1e-9, None)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    norms[norms == 0] = 1e-12
    return np.asarray(means / norms, np.float32)


# --- The model ------------------------------------------------------------------------------------------
@dataclass
class MiniLM:
    """One opened model file; shared by all who name the same file and providers."""

    session: Untyped
    tokenizer: Untyped
    workers: int
    variant: str = ""
    truncation_said: bool = field(default=False)

    def tokens(self, text: str) -> tuple[list[int], bool]:
        """The first 256 token ids of ``text``, and whether there are more."""
        characters = FIRST_CHARACTERS
        while True:
            encoding = self.tokenizer.encode(text[:characters])
            # Cutting can spoil only the last word, and a word has at most 100 tokens: with two more pieces of 254
            # behind it, the first is what the whole text would give.
            if characters >= len(text) or len(encoding.overflowing) >= 2:
                return encoding.ids, bool(encoding.overflowing)
            characters *= 4

    def run(self, encoded: Sequence[Sequence[int]]) -> Matrix:
        """The vectors of one batch."""
        ids, mask = pad(encoded)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        asked = {name.name for name in self.session.get_inputs()}  # some exports leave token_type_ids out
        return pool(self.session.run(None, {name: given[name] for name in given if name in asked})[0], mask)

    def embed(self, texts: Sequence[str]) -> Matrix:
        """The vectors of ``texts``, all of them distinct: an array of shape (n, 384)."""
        if self.workers == 1 or len(texts) <= BATCH_TEXTS // 4 or not may_use_threads():
            return self._embed(texts, None)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="chroma_nb-embed") as pool:
            try:
                return self._embed(texts, pool)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # an interrupt waits for the batches at work only
                raise

    def _embed(self, texts: Sequence[str], pool: ThreadPoolExecutor | None) -> Matrix:
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        truncated = 0
        with progress_bar(len(texts), description="embedding", unit="text") as bar:
            for chunk in in_batches(range(len(texts)), CHUNK_TEXTS):
                encoded, cut = zip(*(self.tokens(texts[position]) for position in chunk), strict=True)
                truncated += sum(cut)
                self._run_batches(encoded, vectors[chunk.start : chunk.stop], pool, bar)  # type: ignore[attr-defined]
        if truncated:
            self._say_truncated(truncated, len(texts))
        return vectors

    def _run_batches(
        self, encoded: Sequence[Sequence[int]], vectors: Matrix, pool: ThreadPoolExecutor | None, bar: Progress
    ) -> None:
        batches = batches_by_length([len(tokens) for tokens in encoded], tokens=BATCH_TOKENS, size=BATCH_TEXTS)
        if pool is None:
            for batch in batches:
                vectors[batch] = self.run([encoded[position] for position in batch])
                bar.update(len(batch))
            return
        futures: dict[Future[Matrix], list[int]] = {
            pool.submit(self.run, [encoded[position] for position in batch]): batch for batch in batches
        }
        for future in as_completed(futures):
            vectors[futures[future]] = future.result()
            bar.update(len(futures[future]))

    def _say_truncated(self, count: int, total: int) -> None:
        if self.truncation_said:
            return
        self.truncation_said = True
        warnings.warn(
            f"{count} of {total} texts are longer than {MAX_TOKENS} tokens. The embedding model reads only the "
            "beginning of such a text, as in Chroma. Split long documents if their ends matter. (This is "
            "shown once.)",
            stacklevel=2,
        )


@cache
def _tokenizer() -> Any:
    tokenizers = require("tokenizers", feature="the default embedding model")
    tokenizer = tokenizers.BertWordPieceTokenizer(str(models.data_file("vocab.txt")), lowercase=True)
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _runtime() -> Any:
    """ONNX Runtime, which tells nobody about us: from 1.29 on it reports to its makers, beginning with its import.

    Who has set ``ORT_DISABLE_TELEMETRY`` has decided, either way.
    """
    if _TELEMETRY in os.environ:
        return require("onnxruntime", feature="the default embedding model")
    os.environ[_TELEMETRY] = "1"  # asked at the import, and only then
    try:
        onnxruntime = require("onnxruntime", feature="the default embedding model")
    finally:
        os.environ.pop(_TELEMETRY, None)
    onnxruntime.disable_telemetry_events()  # it may have been imported before
    return onnxruntime


def _session(path: Path, providers: Sequence[str]) -> Any:
    onnxruntime = _runtime()
    available = onnxruntime.get_available_providers()
    if not set(providers) <= set(available):
        raise ValueError(f"Preferred providers must be subset of available providers: {available}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Batches run side by side, each on one thread: less work lost than several threads on one small batch, no
    # threads that spin while idle, and none to lose in a forked child.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    chosen = [provider for provider in providers or available if provider not in UNSUITED_PROVIDERS]
    try:
        return onnxruntime.InferenceSession(str(path), sess_options=options, providers=chosen or available)
    except Exception as error:  # onnxruntime's own classes are not importable by a stable name
        raise ValueError(f"{path} cannot be loaded as an ONNX model: {error}") from error


#: Re-entrant, for a call in the middle of another of this thread, which at worst opens a second model: what is kept of
#: one is complete, and only a reference to it is stored.
_opening = _locks.RLock()


def open_model(path: Path, providers: Sequence[str] | None = None) -> MiniLM:
    """The model in ``path``, recognised by a known vector; opened once a process.

    Raises ValueError when the file is not all-MiniLM-L6-v2.
    """
    with _opening:
        return _open(path, path.stat().st_mtime_ns, tuple(providers or ()))


@cache
def _open(path: Path, mtime_ns: int, providers: tuple[str, ...]) -> MiniLM:
    model = MiniLM(_session(path, providers), _tokenizer(), min(usable_processors(), MAX_WORKERS))
    model.variant = _variant(model, path)
    return model


def _variant(model: MiniLM, path: Path) -> str:
    known = np.load(models.data_file("known_vector.npy"), allow_pickle=False).astype(np.float32)
    try:
        cosine = float(model.run([model.tokens(KNOWN_TEXT)[0]])[0] @ known)  # not embed: it is nobody's progress
    except Exception as error:
        raise ValueError(f"{path} is not the model {models.MODEL_NAME}: {error}") from error
    if not cosine >= SAME_MODEL:
        raise ValueError(
            f"{path} is not the model {models.MODEL_NAME}: a known text has cosine {cosine:.3f} to its known vector"
        )
    if cosine >= SAME_WEIGHTS:
        return "fp32"
    digest = models.sha256_of(path)
    return "int8" if digest == models.PACKAGED_SHA256 else f"sha256:{digest[:16]}"


# --- Which file -----------------------------------------------------------------------------------------
def choose_model(named: Path | None, wanted: str | None, providers: Sequence[str] | None) -> MiniLM:
    """The model to embed with: the file the user named, else the variant ``wanted``, else the best there is.

    ``wanted`` is the variant a collection was made with; where only another exists, that one is used and a warning
    says so. Raises MissingPackageError where there is no file at all.
    """
    if named is not None:
        model = open_model(named, providers)
    else:
        cached = None if wanted == "int8" and models.is_packaged() else _from_cache(providers)
        model = cached or open_model(models.packaged_model(), providers)
    if wanted is not None and model.variant != wanted:
        _say_other_variant(wanted, model.variant)
    return model


def _from_cache(providers: Sequence[str] | None) -> MiniLM | None:
    path = models.cached_model()
    if path is None:
        return None
    try:
        return open_model(path, providers)
    except ValueError as error:
        _say_unusable(str(error))
        return None


@cache
def _say_unusable(reason: str) -> None:
    warnings.warn(f"The model in Chroma's cache folder is not used: {reason}", stacklevel=4)


_HOW_TO_GET: Final = {
    "fp32": "; chroma_nb.models.download() downloads it",
    "int8": f"; pip install {models.PACKAGE} installs it",
}


@cache
def _say_other_variant(wanted: str, found: str) -> None:
    how = _HOW_TO_GET.get(wanted, "")
    warnings.warn(
        f"This collection was embedded with {models.MODEL_NAME} ({wanted}). This machine has only the "
        f"variant {found}: results are close but not equal{how}. (This is shown once.)",
        stacklevel=4,
    )


class ONNXMiniLM_L6_V2(EmbeddingFunction[Documents]):  # noqa: N801  # Chroma's name
    """Embed texts with all-MiniLM-L6-v2, with a choice of ONNX Runtime's execution providers.

    It is the model of ``DefaultEmbeddingFunction``: 384 dimensions, length 1.

    Parameters
    ----------
    preferred_providers
        Execution providers of ONNX Runtime, such as ``"CUDAExecutionProvider"``. The default is all that suit the
        model.
    model
        The path of an ONNX file of this model. Without it the function looks at the environment variable
        ``CHROMA_NB_MODEL``, in Chroma's cache directory, and for the packaged file. It downloads nothing.
    variant
        The weights to use, ``"int8"`` or ``"fp32"``.

    Raises
    ------
    ValueError
        ``preferred_providers`` is not a list of distinct texts, or ``model`` is not a file.

    Examples
    --------
    >>> vectors = ONNXMiniLM_L6_V2()(["a cat", "a kitten", "a tax return"])
    >>> bool(vectors[0] @ vectors[1] > vectors[0] @ vectors[2])
    True
    """

    MODEL_NAME = models.MODEL_NAME

    def __init__(
        self,
        preferred_providers: list[str] | None = None,
        *,
        model: str | os.PathLike[str] | None = None,
        variant: str | None = None,
    ) -> None:
        _check_providers(preferred_providers)
        self._preferred_providers = preferred_providers
        self._named = _named(model)
        self._variant = variant

    def __call__(self, input: Documents) -> Embeddings:
        texts, places = distinct(texts_of(input))
        vectors = self._model().embed(texts)
        return list(vectors if places is None else vectors[places])

    def _model(self) -> MiniLM:
        return choose_model(self._named, self._variant, self._preferred_providers)

    def for_collection(self, embedding_model: str | None, *, cache: Path | None = None) -> ONNXMiniLM_L6_V2:
        """Return this function with the weights that a collection was made with (None: not known yet)."""
        return ONNXMiniLM_L6_V2(self._preferred_providers, model=self._named, variant=embedding_model)

    @property
    def embedding_model(self) -> str:
        """The variant of the weights, ``"fp32"``, ``"int8"``, or a part of the checksum of another file."""
        if self._named is None and (
            models.cached_model() is None or (self._variant == "int8" and models.is_packaged())
        ):
            return "int8"  # the packaged one, which need not be opened, or be there, to be known
        return self._model().variant

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "onnx_mini_lm_l6_v2"

    def default_space(self) -> Space:
        """Return the distance that a new collection uses if you do not choose one: ``"cosine"``."""
        return "cosine"

    def max_tokens(self) -> int:
        """Return how many tokens of a text the model reads: 256."""
        return MAX_TOKENS

    def get_config(self) -> Config:
        """Return the execution providers. The model file is not stored."""
        return {"preferred_providers": self._preferred_providers}

    @staticmethod
    def build_from_config(config: Config) -> ONNXMiniLM_L6_V2:
        """Build the function from what ``get_config`` returned. Raise a ValueError for any other configuration."""
        ONNXMiniLM_L6_V2.validate_config(config)
        return ONNXMiniLM_L6_V2(preferred_providers=config.get("preferred_providers"))

    @staticmethod
    def validate_config(config: Config) -> None:
        """Raise a ValueError if ``config`` does not fit this class."""
        unknown = set(config) - {"preferred_providers"}
        if unknown:
            raise ValueError(f"Expected only preferred_providers in the configuration, got {sorted(unknown)}")
        _check_providers(config.get("preferred_providers"))


def _check_providers(providers: object) -> None:
    if not providers:
        return
    if not isinstance(providers, list) or not all(isinstance(provider, str) for provider in providers):
        raise ValueError("Preferred providers must be a list of strings")
    if len(providers) != len(set(providers)):
        raise ValueError("Preferred providers must be unique")


def _named(model: str | os.PathLike[str] | None) -> Path | None:
    name = model if model is not None else os.environ.get(models.MODEL_VARIABLE) or None
    if name is None:
        return None
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        source = "model=" if model is not None else models.MODEL_VARIABLE
        raise ValueError(
            f"Expected {source} to be the path of an ONNX file of this model, got {str(name)!r}, which is not a file."
        )
    return path
