"""What a write or a sync of a table did: counts, and the rows that were left out."""

from __future__ import annotations

from dataclasses import dataclass, field

from chroma_nb.tables.rows import BadRow


@dataclass(frozen=True)
class Written:
    """How many rows of a frame were written, and which were not.

    ``written`` were added or changed a record. ``existing`` were passed over by ``add``, because their ids were there
    already; ``missing`` by ``update``, because theirs were not. ``skipped`` cannot be records.
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
    """What ``sync`` did, in records.

    ``embedded`` of the updated ones got a new embedding; the rest changed in other parts only.
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
