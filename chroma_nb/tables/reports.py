"""The result of a write or a sync of a table: counts, and the rows that were skipped."""

from __future__ import annotations

from dataclasses import dataclass, field

from chroma_nb.tables.rows import BadRow


@dataclass(frozen=True)
class Written:
    """What ``add_df``, ``upsert_df`` or ``update_df`` did.

    Attributes
    ----------
    written
        How many rows were written.
    skipped
        Rows that cannot become records, with their row number, id and the reason. Only with
        ``on_error="skip"``.
    existing
        How many rows ``add_df`` did not write because their id exists already.
    missing
        How many rows ``update_df`` did not write because their id does not exist.
    """

    written: int
    skipped: list[BadRow] = field(default_factory=list)
    existing: int = 0
    missing: int = 0

    def __repr__(self) -> str:
        parts = [f"{self.written} rows written"]
        if self.existing:
            parts.append(f"{self.existing} unchanged: their ids exist already")
        if self.missing:
            parts.append(f"{self.missing} not found: no record has these ids")
        return "; ".join([*parts, *_skipped_text(self.skipped)])


@dataclass(frozen=True)
class Synced:
    """What ``sync`` did, in numbers of records.

    Attributes
    ----------
    added
        How many records were added.
    updated
        How many records were updated.
    embedded
        How many of the updated records got a new embedding.
    deleted
        How many records were deleted.
    unchanged
        How many records were equal to their row.
    skipped
        Rows that cannot become records, with their row number, id and the reason. Only with
        ``on_error="skip"``.
    """

    added: int = 0
    updated: int = 0
    embedded: int = 0
    deleted: int = 0
    unchanged: int = 0
    skipped: list[BadRow] = field(default_factory=list)

    def __repr__(self) -> str:
        counts = (
            f"{self.added} added, {self.updated} updated ({self.embedded} embedded again), "
            f"{self.deleted} deleted, {self.unchanged} unchanged"
        )
        return "; ".join([counts, *_skipped_text(self.skipped)])


def _skipped_text(skipped: list[BadRow]) -> list[str]:
    if not skipped:
        return []
    more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return [f"{len(skipped)} skipped: " + ", ".join(map(str, skipped[:3])) + more]
