"""What the constructors of the stand-ins take besides plain values, by Chroma's names.

The enums are strings, so that a stand-in's configuration stays JSON.
"""

from __future__ import annotations

from enum import Enum


class ChromaCloudSpladeEmbeddingModel(str, Enum):
    """The models of the service."""

    SPLADE_PP_EN_V1 = "prithivida/Splade_PP_en_v1"
