"""Amazon Bedrock's embeddings, through a session of the package boto3."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from chroma_nb._optional import check_installed, require
from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key, check_config
from chroma_nb.embedding_functions.providers import embed_in_batches, rows_of
from chroma_nb.embedding_functions.sentence_transformer import check_arguments
from chroma_nb.types import Documents, Embeddings, Json, Space

#: What a stored configuration may pass to a session and its client: nothing that holds a key or names a server.
STORED_SESSION = {"region_name": Key(str), "profile_name": Key(str)}
STORED_ARGUMENTS = {"region_name": Key(str), "api_version": Key(str), "use_ssl": Key(bool)}


class AmazonBedrockEmbeddingFunction(Configured[Documents]):
    """Embed texts with a model of Amazon Bedrock. Needs the package boto3.

    boto3 sends one text per request to AWS, with the credentials of the session.

    Parameters
    ----------
    session
        A ``boto3.Session``. A collection stores its region and its profile, no credentials.
    model_name
        The model, by its id at Bedrock.
    **kwargs
        Further arguments of ``session.client``: texts, numbers, bools, lists and dicts.

    Raises
    ------
    ValueError
        An argument is of another type.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "model_name": Key(str, required=True, fixed=True),
        "session_args": Key(dict, required=True),
        "kwargs": Key(dict, required=True),
    }

    def __init__(self, session: Any, model_name: str = "amazon.titan-embed-text-v1", **kwargs: object) -> None:
        check_arguments(kwargs)
        self.model_name = model_name
        self.kwargs = kwargs
        names = {name: getattr(session, name, None) for name in STORED_SESSION}
        self.session_args: Json = {name: value for name, value in names.items() if value}
        self._client = session.client(service_name="bedrock-runtime", **kwargs)

    def __call__(self, input: Documents) -> Embeddings:
        return embed_in_batches(
            texts_of(input), size=1, ask=lambda batch: [self._vector(batch[0])], provider="Amazon Bedrock"
        )

    def _vector(self, text: str) -> Sequence[float]:
        answer = self._client.invoke_model(
            body=json.dumps({"inputText": text}),
            modelId=self.model_name,
            accept="application/json",
            contentType="application/json",
        )
        vector: Sequence[float] = rows_of(json.loads(answer["body"].read()), "embedding")
        return vector

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "amazon_bedrock"

    def default_space(self) -> Space:
        """Return the distance that a new collection uses if you do not choose one: ``"l2"``."""
        return "l2"

    @classmethod
    def build_from_config(cls, config: Config) -> Self:
        """Build the function with a new session, from what ``get_config`` returned.

        Raises
        ------
        ValueError
            The package boto3 is not installed (also an ImportError), or the configuration does not fit.
        """
        check_installed("boto3")
        cls.validate_config(config)
        cls.check_stored(config)
        session = require("boto3", feature=cls.__name__).Session(**config["session_args"])
        return cls(session=session, model_name=config["model_name"], **config["kwargs"])

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError for arguments that are not accepted from a stored configuration."""
        try:
            check_config(config["session_args"], STORED_SESSION, "the stored session")
            check_config(config["kwargs"], STORED_ARGUMENTS, "the stored client")
        except ValueError as error:
            raise ValueError(
                f"{error}. Other arguments are not read from a stored configuration. Pass "
                f"embedding_function={cls.__name__}(...) when you get the collection."
            ) from None

    def __getstate__(self) -> Json:
        """A session holds credentials: neither it nor its client can be pickled."""
        raise TypeError(
            f"Cannot pickle {type(self).__name__}, as its client holds credentials. Create it where it is used."
        )

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self
