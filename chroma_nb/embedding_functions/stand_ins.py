"""Chroma's other embedding functions: known by name, so that what a collection stores about them is kept.

They do not embed; when called, they say what would. A row here is enough to open, save and export a collection made
with one unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

from chroma_nb.embedding_functions.base import Config, EmbeddingFunction, SparseEmbeddingFunction
from chroma_nb.types import Fields, Options, Space

#: Marks a parameter without a default.
REQUIRED = object()


@dataclass(frozen=True)
class StandIn:
    """One class: how Chroma constructs it, what it stores, and what embeds in its place."""

    class_name: str
    name: str
    #: What the class of chromadb needs, as pip knows it.
    package: str
    #: Parameters in order, with their defaults; those not in ``hidden`` are the configuration.
    parameters: Fields
    #: Parameters that are never stored.
    hidden: tuple[str, ...] = ("api_key",)
    #: Parameters that are stored only when they are given.
    omitted_if_none: tuple[str, ...] = ()
    #: What is stored beside the parameters.
    stored: Fields = field(default_factory=dict)
    space: Space = "cosine"
    sparse: bool = False
    #: The base address, where it speaks OpenAI's API.
    openai_base: str | None = None


#: Every name that Chroma 1.5.9 registers and that has no file of its own here.
STAND_INS = (
    StandIn(
        "ChromaCloudSpladeEmbeddingFunction",
        "chroma-cloud-splade",
        "httpx",
        {"api_key_env_var": "CHROMA_API_KEY", "model": "prithivida/Splade_PP_en_v1", "include_tokens": False},
        sparse=True,
    ),
)


def _arguments(row: StandIn, args: tuple[object, ...], kwargs: Options) -> Config:
    """The configuration that a call of the class makes, with Chroma's rules for arguments."""
    named = [name for name in row.parameters if name != "kwargs"]
    if len(args) > len(named):
        raise TypeError(f"{row.class_name}() takes at most {len(named)} positional arguments, got {len(args)}")
    given = dict(zip(named, args, strict=False))
    extra = {name: kwargs[name] for name in kwargs if name not in named}
    if extra and "kwargs" not in row.parameters:
        raise TypeError(f"{row.class_name}() got an unexpected keyword argument {next(iter(extra))!r}")
    values = {**row.parameters, **given, **{name: kwargs[name] for name in kwargs if name in named}}
    missing = [name for name, value in values.items() if value is REQUIRED]
    if missing:
        raise TypeError(f"{row.class_name}() is missing the required arguments {missing}")
    if "kwargs" in row.parameters:
        values["kwargs"] = extra
    left_out = {*row.hidden, *(name for name in row.omitted_if_none if values[name] is None)}
    return {**row.stored, **{name: value for name, value in values.items() if name not in left_out}}


def _refuse(row: StandIn) -> NoReturn:
    theirs = f"chromadb.utils.embedding_functions.{row.class_name}(...)"
    ways = [f"with chromadb's own class (pip install chromadb {row.package}): pass embedding_function={theirs}"]
    if row.openai_base:
        ways.append(f"with OpenAIEmbeddingFunction(api_base={row.openai_base!r}, ...), which uses the same API")
    if not row.sparse:
        ways.append("elsewhere, and pass embeddings= and query_embeddings=")
    raise NotImplementedError(
        f"chroma_nb stores the configuration of {row.name!r} but cannot embed with it. You can embed "
        f"{'; or '.join(ways)}."
    )


class _Kept:
    """What both kinds share: a row, and a configuration nobody interprets."""

    row: ClassVar[StandIn]
    _config: Config

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._config = _arguments(self.row, args, kwargs)

    def __call__(self, input: object) -> NoReturn:
        _refuse(self.row)

    def get_config(self) -> Config:
        """Return the configuration as it was given or stored."""
        return dict(self._config)

    @classmethod
    def name(cls) -> str:
        """Return the name under which this class is registered and stored."""
        return cls.row.name

    @classmethod
    def build_from_config(cls, config: Config) -> Any:
        """Return a function that keeps this configuration unchanged."""
        made = cls.__new__(cls)
        made._config = dict(config)
        return made

    def __repr__(self) -> str:
        return f"{self.row.class_name}({self.row.name}, kept)"


class _Dense(_Kept, EmbeddingFunction[Any]):
    def default_space(self) -> Space:
        """Return the distance that Chroma uses by default for this class."""
        return self.row.space


class _Sparse(_Kept, SparseEmbeddingFunction[Any]):
    pass


def _class(row: StandIn) -> type:
    base = _Sparse if row.sparse else _Dense
    doc = f"Chroma's {row.name!r}: its configuration is kept; it does not embed here."
    return type(row.class_name, (base,), {"row": row, "__doc__": doc, "__module__": __name__})


#: Class name -> class.
CLASSES: Mapping[str, type] = MappingProxyType({row.class_name: _class(row) for row in STAND_INS})


def __getattr__(name: str) -> type:
    try:
        return CLASSES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
