"""Texts in, each distinct one embedded once, in batches: the arithmetic that every model shares. No model, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from chroma_nb.types import Indices


def items_of(input: object) -> list[Any]:
    """What is to be embedded as a list; a single text is one item, not its letters."""
    if isinstance(input, (bytes, dict)) or not isinstance(input, Iterable):
        raise ValueError(f"Expected texts to be a list of str, got {type(input).__name__}")
    return [input] if isinstance(input, str) else list(input)


def texts_of(input: object) -> list[str]:
    """The texts in ``input``: a str, or any iterable of them (list, Series, array, generator).

    Raises ValueError naming the first thing that is not a text, or no text that can be encoded.

    >>> texts_of(word for word in ("a", "b"))
    ['a', 'b']
    """
    texts = items_of(input)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(
                f"Expected the text at position {position} to be a str, got {text!r:.60} ({type(text).__name__}). "
                "Leave it out, or fill it in."
            )
        _check_encodable(text, position)
    if not texts:
        raise ValueError("Expected at least one text to embed, got an empty list.")
    return [str(text) for text in texts]


def _check_encodable(text: str, position: int) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The text at position {position} is not valid Unicode: it has half of a surrogate pair, "
            f"{text[error.start]!a}, at character {error.start}. Repair it with text.encode('utf-16', "
            "'surrogatepass').decode('utf-16', 'replace')."
        ) from None


def distinct(texts: Sequence[str]) -> tuple[list[str], Indices | None]:
    """The distinct texts in order, and for each text its place among them (None: all were distinct).

    >>> distinct(["a", "b", "a"])
    (['a', 'b'], array([0, 1, 0]))
    """
    places: dict[str, int] = {}
    for text in texts:
        places.setdefault(text, len(places))
    if len(places) == len(texts):
        return list(texts), None
    return list(places), np.fromiter((places[text] for text in texts), np.intp, len(texts))


def in_batches(items: Sequence[object], size: int) -> Iterator[Sequence[Any]]:
    """Consecutive pieces of at most ``size``.

    >>> list(in_batches("abcde", 2))
    ['ab', 'cd', 'e']
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]


def batches_by_length(lengths: Sequence[int], *, tokens: int, size: int) -> list[list[int]]:
    """Positions grouped so that texts of like length stand together, longest first.

    A batch has at most ``size`` members and, padded to its longest, at most ``tokens`` tokens (one text may exceed it).

    >>> batches_by_length([3, 9, 3, 8], tokens=20, size=8)
    [[1, 3], [0, 2]]
    """
    batches: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        longest = lengths[batches[-1][0]] if batches else 0
        if batches and len(batches[-1]) < size and (len(batches[-1]) + 1) * longest <= tokens:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches
