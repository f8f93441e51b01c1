"""Codes for collections of a few records: what searches ask for as soon as there are thousands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chroma_nb.engine.index import certified, code_files, codes
from chroma_nb.engine.search import index_builder, planner


def codes_for_few(
    put: Callable[[Any, str, Any], object] = setattr, *, block_rows: int = 4, by_the_background: bool = False
) -> None:
    """Lower the thresholds, by ``monkeypatch.setattr`` say: each search goes by codes, and makes them.

    Or they are made, and whole blocks saved, ``by_the_background``.
    """
    for name in ("SMALLEST_DIMENSION", "FEWEST_ROWS", "FEWEST_ROWS_FOR_A_BATCH"):
        put(certified, name, 1)
    put(certified, "FEW_ALLOWED", 0)
    put(certified, "rows_per_result", lambda queries, *, gathered: 1)
    if by_the_background:
        put(certified, "_LONGEST_WAIT", 0.0)
    else:
        put(certified, "CODING_SECONDS", 0.0)
    for module in (codes, code_files, index_builder):
        put(module, "BLOCK_ROWS", block_rows)
    put(planner, "BATCH_ROWS", 1)
    put(index_builder, "IDLE_SECONDS", 0.0)
