"""What get, query and delete answer: Chroma's dicts.

They are dicts and nothing else to Chroma code; ``to_df()`` and the rich display are additions.
"""

from __future__ import annotations

from typing import Any


class GetResult(dict[str, Any]):
    """The answer of ``get`` and ``peek``: ids and, per ``include``, one list per field."""


class QueryResult(dict[str, Any]):
    """The answer of ``query``: as GetResult, with one list per query, and distances."""
