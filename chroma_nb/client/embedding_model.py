"""The model that embeds for a collection, as users see it, and where its vectors are cached."""

from __future__ import annotations

import os
from pathlib import Path

from chroma_nb.config import Settings
from chroma_nb.operations.embed import is_default, name_of
from chroma_nb.types import CollectionModel

#: Set to 0, a persistent client does not remember the default model's vectors.
SWITCH = "CHROMA_NB_EMBEDDING_CACHE"
#: Registered names of the model that comes with the package.
MINILM = ("default", "onnx_mini_lm_l6_v2")
MODEL_NAME = "all-MiniLM-L6-v2"


def described(model: CollectionModel, embedding_function: object) -> str | None:
    """What embeds texts in a collection: the stored function, else the one of the handle."""
    stored = model.configuration_json.get("embedding_function") or {}
    name, config = stored.get("name"), stored.get("config") or {}
    if name is None and embedding_function is not None:
        own = name_of(embedding_function)
        name = own if isinstance(own, str) else type(embedding_function).__name__
    if name in MINILM:
        return f"{MODEL_NAME} ({model.embedding_model})" if model.embedding_model else MODEL_NAME
    detail = config.get("model_name") or config.get("model")
    return f"{name}: {detail}" if name and detail else name


def embedding_cache(settings: Settings, embedding_function: object) -> Path | None:
    """The file beside the data in which the default function's vectors are kept, or None.

    It is None for a database in memory or on a server, in a directory that cannot be written, and when the environment
    variable ``CHROMA_NB_EMBEDDING_CACHE`` is 0.
    """
    if not settings.is_persistent or not is_default(embedding_function) or os.environ.get(SWITCH) == "0":
        return None
    directory = Path(settings.persist_directory).absolute()
    if not (directory / "chroma_nb.sqlite3").is_file() or not os.access(directory, os.W_OK):
        return None
    return directory / "cache" / "embeddings.sqlite3"
