"""CLIP models of the package open-clip-torch: texts and images in one space."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from chroma_nb._optional import check_installed, require
from chroma_nb.embedding_functions.base import Config
from chroma_nb.embedding_functions.batches import items_of, texts_of
from chroma_nb.embedding_functions.configuration import Configured, Key
from chroma_nb.embedding_functions.image_loader import is_image
from chroma_nb.embedding_functions.progress import progress_bar
from chroma_nb.embedding_functions.sentence_transformer import HUB_NAME
from chroma_nb.types import Embeddable, Embeddings


class OpenCLIPEmbeddingFunction(Configured[Embeddable]):
    """Embed texts and images in the same space with a CLIP model. Needs the package open-clip-torch.

    The model runs in this process. The package loads it, and downloads it if needed, at the first call. A call may mix
    texts and images (arrays). The vectors have length 1.

    Parameters
    ----------
    model_name
        The model, by its name in open_clip.
    checkpoint
        The weights, by their name in open_clip.
    device
        The device, such as ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ValueError
        A package is not installed (also an ImportError).
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "model_name": Key(str, required=True, fixed=True),
        "checkpoint": Key(str, required=True, fixed=True),
        "device": Key(str, required=True),
    }

    def __init__(
        self,
        model_name: str = "ViT-B-32",
        checkpoint: str = "laion2b_s34b_b79k",
        device: str | None = "cpu",
    ) -> None:
        check_installed("open_clip", "open-clip-torch")
        check_installed("torch")
        self.model_name = model_name
        self.checkpoint = checkpoint
        self.device = device

    @cached_property
    def _loaded(self) -> tuple[Any, Any, Any]:
        """Model, preparation of an image, tokenizer."""
        library = require("open_clip", feature="OpenCLIPEmbeddingFunction", package="open-clip-torch")
        model, _, prepare = library.create_model_and_transforms(model_name=self.model_name, pretrained=self.checkpoint)
        model.to(self.device)
        model.eval()
        return model, prepare, library.get_tokenizer(model_name=self.model_name)

    def __call__(self, input: Embeddable) -> Embeddings:
        parts = [item if is_image(item) else texts_of([item])[0] for item in items_of(input)]
        with progress_bar(len(parts), description="embedding (CLIP)", unit="item") as bar:
            vectors = []
            for part in parts:
                vectors.append(self._vector(part))
                bar.update(1)
            return vectors

    def _vector(self, part: object) -> Any:
        torch = require("torch", feature="OpenCLIPEmbeddingFunction")
        model, prepare, tokenizer = self._loaded
        with torch.no_grad():
            if is_image(part):
                image = require("PIL.Image", feature="embedding images", package="Pillow").fromarray(part)
                features = model.encode_image(prepare(image).unsqueeze(0).to(self.device))
            else:
                features = model.encode_text(tokenizer(part).to(self.device))
            features = features / features.norm(dim=-1, keepdim=True)
            return features.squeeze().cpu().numpy()

    @staticmethod
    def name() -> str:
        """Return the name under which this class is registered and stored."""
        return "open_clip"

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError if a stored configuration names a path instead of a model."""
        for name in ("model_name", "checkpoint"):
            value = config[name]
            # open_clip reads "hf-hub:" and "local-dir:" names as places, and a checkpoint that is a file as a file
            if not HUB_NAME.fullmatch(value) or "/" in value:
                raise ValueError(
                    f"The stored configuration has the {name.replace('_', ' ')} {value!r}, which looks like a path. To "
                    f"use it, pass embedding_function={cls.__name__}(...) when you get the collection."
                )
