"""Which colour a value has. Colours that colour-blind people tell apart, and a shape besides.

Categories beyond twenty are "other"; what is missing is grey.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

import numpy as np

from chroma_nb.types import Float64, Indices

#: Okabe and Ito's palette without black and yellow, which vanish on a dark or a white page.
PALETTE: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1")
#: Every shape comes with every colour before the next; plotly knows all of them in 2-D and in 3-D.
SHAPES: Final = ("circle", "diamond", "square")
SCALE: Final = "Cividis"
GREY: Final = "#9A9A9A"
MOST: Final = 20
#: Whole numbers of as few kinds are categories.
_FEW_NUMBERS: Final = 12
#: pandas' empty cells and what numpy masks, by the names of their types: pandas is not loaded for this.
_MISSING: Final = ("NAType", "NaTType", "MaskedConstant")


@dataclass(frozen=True)
class Group:
    """Records of one colour: what they are called, which rows they are, and how they look."""

    name: str
    rows: Indices
    colour: str
    shape: str


@dataclass(frozen=True)
class Scale:
    """Records coloured by number: rows, their values, and the rows without one."""

    rows: Indices
    values: Float64
    missing: Indices


def coloured(values: Sequence[object]) -> list[Group] | Scale:
    """Groups for categories, a scale for numbers.

    >>> [(group.name, len(group.rows)) for group in coloured(["a", "b", None, "a"])]
    [('a', 2), ('b', 1), ('missing', 1)]
    >>> coloured([0.5, 1.5, None]).values.tolist()
    [0.5, 1.5]
    """
    there = [not _missing(value) for value in values]
    known = [value for value, is_there in zip(values, there, strict=True) if is_there]
    numbers = [float(value) for value in known if is_number(value)]
    if numbers and len(numbers) == len(known) and not _few_whole(known):
        rows = np.flatnonzero(there)
        return Scale(rows, np.array(numbers), np.flatnonzero(np.logical_not(there)))
    return _groups([_text(value) if is_there else None for value, is_there in zip(values, there, strict=True)])


def _groups(names: Sequence[str | None]) -> list[Group]:
    counts = Counter(name for name in names if name is not None)
    shown = sorted(counts, key=lambda name: (-counts[name], name))
    rest = shown[MOST:] if len(shown) > MOST else []
    place = {name: number for number, name in enumerate(shown[:MOST])} | dict.fromkeys(rest, MOST)
    numbers = np.array([MOST + 1 if name is None else place[name] for name in names], np.intp)
    groups = [
        Group(name, np.flatnonzero(numbers == number), PALETTE[number % len(PALETTE)], SHAPES[number // len(PALETTE)])
        for number, name in enumerate(shown[:MOST])
    ]
    if rest:
        groups.append(Group(f"other ({len(rest)} values)", np.flatnonzero(numbers == MOST), GREY, "cross"))
    if (missing := np.flatnonzero(numbers == MOST + 1)).size:
        groups.append(Group("missing", missing, GREY, "circle-open"))
    return groups


def _missing(value: object) -> bool:
    if isinstance(value, (float, np.floating)):
        return math.isnan(value)
    return value is None or type(value).__name__ in _MISSING


def is_number(value: object) -> TypeGuard[float | np.number]:
    """Whether a value is a finite number, Python's or numpy's; a bool is not.

    >>> is_number(np.float32(1)), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)


def _few_whole(values: Sequence[object]) -> bool:
    return all(isinstance(value, (int, np.integer)) for value in values) and len(set(values)) <= _FEW_NUMBERS


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return ("true" if value else "false") if isinstance(value, (bool, np.bool_)) else str(value)
