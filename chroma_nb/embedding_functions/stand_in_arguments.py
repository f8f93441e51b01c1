"""What the constructors of the stand-ins take besides plain values, by Chroma's names.

The enums are strings, so that a stand-in's configuration stays JSON.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias


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
