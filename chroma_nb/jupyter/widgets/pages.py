"""A page of records, and how many pages there are. No widgets here."""

from __future__ import annotations

from dataclasses import dataclass

from chroma_nb.types import Metadata

#: Records of one page.
PAGE_SIZE = 20


def page_count(total: int, size: int) -> int:
    """How many pages of ``size`` it takes; at least one, which may be empty.

    >>> page_count(0, 20), page_count(40, 20), page_count(41, 20)
    (1, 2, 3)
    """
    return max(1, -(-total // size))


@dataclass(frozen=True)
class Page:
    """Records of one page as columns, ``number`` from 0.

    ``total`` records pass, or more where ``exact`` is False. ``note`` says what the order rests on.
    """

    ids: list[str]
    documents: list[str | None]
    metadatas: list[Metadata | None]
    uris: list[str | None]
    distances: list[float] | None
    number: int
    size: int
    total: int
    exact: bool
    note: str = ""

    @property
    def first(self) -> int:
        """The place of the first record, from 1; 0 on an empty page."""
        return self.number * self.size + 1 if self.ids else 0

    @property
    def last_number(self) -> int:
        """The number of the last page, as far as is known."""
        return page_count(self.total, self.size) - 1

    @property
    def position(self) -> str:
        """Where this page is, in words.

        >>> Page(["a"], [None], [None], [None], None, 2, 20, 41, True).position
        '41 of 41'
        """
        if not self.ids:
            return "no records"
        last = self.first + len(self.ids) - 1
        span = f"{self.first:,}–{last:,}" if last > self.first else f"{last:,}"
        return f"{span} of {self.total:,}" + ("" if self.exact else " or more")
