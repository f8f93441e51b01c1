"""Rules for calls to a server: what is repeated and when, and how writes go in batches.

Nothing is sent here; ``_async/conversation.py`` sends, by these rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

from chroma_nb.backends.http.codec import Call, Reply, ServerFacts
from chroma_nb.operations import requests as ops
from chroma_nb.records import Records
from chroma_nb.types import UpdateMetadata

#: Chroma's server refuses bodies above 40 MiB unless configured otherwise.
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
#: A server that asks for more patience than this gets its error raised.
LONGEST_PAUSE: Final = 30.0
#: The pauses before the second, third, … attempt.
DELAYS: Final = (0.1, 0.4)

Write: TypeAlias = ops.Add | ops.Update | ops.Upsert


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that got no reply. ``unreached``: no byte of it can have arrived. ``final``: not worth a repetition."""

    error: Exception
    unreached: bool = False
    final: bool = False


Outcome: TypeAlias = Reply | Failure


@dataclass
class KnownServer:
    """What one backend has learnt of its server; asked once."""

    facts: ServerFacts | None = None


def pause_before_repeating(call: Call, outcome: Outcome, delay: float) -> float | None:
    """Seconds to wait before ``call`` is made again after ``outcome``, or None when it is not to be.

    Repeated are calls that cannot have arrived, those the server says it refused for their number
    (429), and ``repeatable`` ones whose connection or gateway failed.

    >>> pause_before_repeating(Call("GET", "/version", repeatable=True), Reply(503, {}, b""), 0.1)
    0.1
    >>> pause_before_repeating(Call("POST", "/reset"), Reply(503, {}, b""), 0.1) is None
    True
    """
    if isinstance(outcome, Failure):
        return delay if outcome.unreached or (call.repeatable and not outcome.final) else None
    if outcome.status == 429 or (call.repeatable and outcome.status in {502, 503, 504}):
        wait = max(delay, _retry_after(outcome))
        return wait if wait <= LONGEST_PAUSE else None
    return None


def _retry_after(reply: Reply) -> float:
    # The other form of the header is a date; servers that meter calls send seconds.
    try:
        return float(reply.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0


# --- Writes -------------------------------------------------------------------------------------------------------
def what_was_written(request: Write, written: int) -> str:
    """What to say when a batch of a write fails after ``written`` records."""
    ids, call = request.records.ids, type(request).__name__.lower()
    return (
        f"the call was sent in batches: {written} of its {len(ids)} records, up to id "
        f"{ids[written - 1]!r}, are written, those from id {ids[written]!r} on are not. To continue, "
        f"repeat the {call} with the rest"
    )


def batches(records: Records, max_size: int | None, max_bytes: int = MAX_BODY_BYTES) -> Iterator[Records]:
    """``records`` in order, in parts of at most ``max_size`` records and about ``max_bytes`` each."""
    bounds = _bounds(_sizes(records), max_size or len(records), max_bytes)
    if len(bounds) <= 2:
        yield records
        return
    for start, stop in pairwise(bounds):
        yield records.slice(start, stop)


def _sizes(records: Records) -> list[int]:
    vector = 0 if records.embeddings is None else records.embeddings.shape[1] * 16 // 3
    texts: list[Any] = [field for field in (records.documents, records.uris) if field is not None]
    metadatas = records.metadatas or [None] * len(records)
    # Three bytes a character and 64 for the rest of a record are an upper bound but for odd cases.
    return [
        vector + 64 + len(record_id) + sum(3 * len(field[row] or "") for field in texts) + _text_in(metadata)
        for row, (record_id, metadata) in enumerate(zip(records.ids, metadatas, strict=True))
    ]


def _text_in(metadata: UpdateMetadata | None) -> int:
    return sum(len(key) + 3 * len(value) if isinstance(value, str) else 32 for key, value in (metadata or {}).items())


def _bounds(sizes: list[int], max_size: int, max_bytes: int) -> list[int]:
    bounds, bytes_so_far = [0], 0
    for row, size in enumerate(sizes):
        if row > bounds[-1] and (row - bounds[-1] >= max_size or bytes_so_far + size > max_bytes):
            bounds.append(row)
            bytes_so_far = 0
        bytes_so_far += size
    return [*bounds, len(sizes)]
