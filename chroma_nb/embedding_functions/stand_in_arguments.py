"""What the constructors of the stand-ins take besides plain values, by Chroma's names.

The enums are strings, so that a stand-in's configuration stays JSON.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias, TypedDict

TaskType: TypeAlias = Literal["document", "query"]


class Bm25EmbeddingFunctionQueryConfig(TypedDict):
    """What is different for questions."""

    task: TaskType


class FastembedSparseEmbeddingFunctionQueryConfig(TypedDict):
    """What is different for questions."""

    task: TaskType


class HuggingFaceSparseEmbeddingFunctionQueryConfig(TypedDict):
    """What is different for questions."""

    task: TaskType


class ChromaBm25Config(TypedDict, total=False):
    """The parameters of BM25 and of its splitting of texts into words."""

    k: float
    b: float
    avg_doc_length: float
    token_max_length: int
    stopwords: list[str]
    include_tokens: bool


class ChromaCloudQwenEmbeddingModel(str, Enum):
    """The models of the service."""

    QWEN3_EMBEDDING_0p6B = "Qwen/Qwen3-Embedding-0.6B"


class ChromaCloudQwenEmbeddingTarget(str, Enum):
    """What an instruction is for."""

    DOCUMENTS = "documents"
    QUERY = "query"


#: Task -> target -> what the model is told.
ChromaCloudQwenEmbeddingInstructions: TypeAlias = dict[str, dict[ChromaCloudQwenEmbeddingTarget, str]]


class ChromaCloudSpladeEmbeddingModel(str, Enum):
    """The models of the service."""

    SPLADE_PP_EN_V1 = "prithivida/Splade_PP_en_v1"
