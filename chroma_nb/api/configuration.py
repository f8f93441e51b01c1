"""Chroma's path ``chromadb.api.configuration``.

Generated from the table in ``tests/meta/generate_paths.py``; nothing is defined here.
"""

from chroma_nb.client.not_offered import (
    CollectionConfigurationInterface,
    CollectionConfigurationInternal,
    ConfigurationDefinition,
    ConfigurationInternal,
    ConfigurationParameter,
    EmbeddingsQueueConfigurationInternal,
    HNSWConfigurationInterface,
    HNSWConfigurationInternal,
    JSONSerializable,
    ParameterValidator,
    ParameterValue,
)
from chroma_nb.errors import InvalidConfigurationError, StaticParameterError
from chroma_nb.schema import CollectionConfiguration, HNSWConfiguration

__all__ = [
    "CollectionConfiguration",
    "CollectionConfigurationInterface",
    "CollectionConfigurationInternal",
    "ConfigurationDefinition",
    "ConfigurationInternal",
    "ConfigurationParameter",
    "EmbeddingsQueueConfigurationInternal",
    "HNSWConfiguration",
    "HNSWConfigurationInterface",
    "HNSWConfigurationInternal",
    "InvalidConfigurationError",
    "JSONSerializable",
    "ParameterValidator",
    "ParameterValue",
    "StaticParameterError",
]
