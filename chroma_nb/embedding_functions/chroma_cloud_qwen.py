"""Qwen's embeddings at Chroma's own service, told what for by an instruction."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, Self, TypeAlias

from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key
from chroma_nb.embedding_functions.providers import Api, ApiKey, embed_in_batches, rows_of
from chroma_nb.types import Documents, Embeddings

#: Where it is asked, unless the environment variable CHROMA_EMBED_URL says otherwise.
URL = "https://embed.trychroma.com"
BATCH = 64


class ChromaCloudQwenEmbeddingModel(str, Enum):
    """The models of Chroma's service."""

    QWEN3_EMBEDDING_0p6B = "Qwen/Qwen3-Embedding-0.6B"


class ChromaCloudQwenEmbeddingTarget(str, Enum):
    """What an instruction is for: documents or queries."""

    DOCUMENTS = "documents"
    QUERY = "query"


#: Task -> target -> what the model is told.
ChromaCloudQwenEmbeddingInstructions: TypeAlias = dict[str, dict[ChromaCloudQwenEmbeddingTarget, str]]

#: The instruction for questions about code is that of the model's makers.
CHROMA_CLOUD_QWEN_DEFAULT_INSTRUCTIONS: ChromaCloudQwenEmbeddingInstructions = {
    "nl_to_code": {
        ChromaCloudQwenEmbeddingTarget.DOCUMENTS: "",
        ChromaCloudQwenEmbeddingTarget.QUERY: "Given a question about coding, retrieval code or passage that can solve "
        "user's question",
    }
}


class ChromaCloudQwenEmbeddingFunction(Configured[Documents]):
    """Embed texts with Qwen at Chroma's own service.

    Sends 64 texts per request to ``https://embed.trychroma.com``, or to the address in the environment variable
    ``CHROMA_EMBED_URL``.

    Parameters
    ----------
    model
        The model: ``"Qwen/Qwen3-Embedding-0.6B"`` or ``ChromaCloudQwenEmbeddingModel.QWEN3_EMBEDDING_0p6B``.
    task
        The task, a key of ``instructions``; None for no instruction.
    instructions
        For each task, the instruction for documents and the one for queries.
    api_key_env_var
        The environment variable with the key of Chroma Cloud.

    Raises
    ------
    ValueError
        There is no key, or ``model`` is another model.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "api_key_env_var": Key(str),
        "model": Key(str, required=True, fixed=True),
        "task": Key(str, fixed=True),
        "instructions": Key(dict, fixed=True),
    }

    def __init__(
        self,
        model: ChromaCloudQwenEmbeddingModel,
        task: str | None,
        instructions: ChromaCloudQwenEmbeddingInstructions = CHROMA_CLOUD_QWEN_DEFAULT_INSTRUCTIONS,
        api_key_env_var: str = "CHROMA_API_KEY",
    ) -> None:
        self._key = ApiKey(api_key_env_var)
        if not self._key.value():
            raise ValueError(
                f"API key not found in environment variable {api_key_env_var} or in any existing client instances"
            )
        self.api_key_env_var = api_key_env_var
        self.model = ChromaCloudQwenEmbeddingModel(model)
        self.task = task
        self.instructions = instructions

    def __call__(self, input: Documents) -> Embeddings:
        return self._embed(input, ChromaCloudQwenEmbeddingTarget.DOCUMENTS)

    def embed_query(self, input: Documents) -> Embeddings:
        """Embed queries with the instruction for queries."""
        return self._embed(input, ChromaCloudQwenEmbeddingTarget.QUERY)

    def _embed(self, input: Documents, target: ChromaCloudQwenEmbeddingTarget) -> Embeddings:
        texts = texts_of(input)
        told = self.instructions.get(self.task or "", {}).get(target, "")
        url = (os.environ.get("CHROMA_EMBED_URL") or URL).rstrip("/")
        headers = {"x-chroma-embedding-model": self.model.value}
        with Api("Chroma Cloud", url, self._key, ("x-chroma-token", ""), headers).session() as post:

            def ask(batch: Sequence[str]) -> Any:
                """The vectors of one batch, from one request."""
                return rows_of(post({"instructions": told, "texts": list(batch)}), "embeddings")

            return embed_in_batches(texts, size=BATCH, ask=ask, provider="Chroma Cloud")

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "chroma-cloud-qwen"

    def get_config(self) -> Config:
        """Return what is needed to build this function again, as JSON. It contains no secret."""
        instructions = {
            task: {target.value: told for target, told in of_task.items()}
            for task, of_task in self.instructions.items()
        }
        return super().get_config() | {"model": self.model.value, "instructions": instructions}

    @classmethod
    def build_from_config(cls, config: Config) -> Self:
        """Build the function from what ``get_config`` returned. Raise a ValueError if it does not fit this class."""
        cls.validate_config(config)
        instructions = CHROMA_CLOUD_QWEN_DEFAULT_INSTRUCTIONS
        if (stored := config.get("instructions")) is not None:
            instructions = {
                str(task): {ChromaCloudQwenEmbeddingTarget(target): str(told) for target, told in of_task.items()}
                for task, of_task in stored.items()
            }
        return cls(
            model=ChromaCloudQwenEmbeddingModel(config["model"]),
            task=config.get("task"),
            instructions=instructions,
            api_key_env_var=config.get("api_key_env_var") or "CHROMA_API_KEY",
        )

    def validate_config_update(self, old_config: Config, new_config: Config) -> None:
        """Raise a ValueError if the update changes the model, the task or the instructions."""
        now = self.get_config()
        for name, key in self.keys.items():
            if key.fixed and name in new_config and new_config[name] != old_config.get(name, now[name]):
                raise ValueError(f"The {name} cannot be changed after the embedding function has been initialized.")
