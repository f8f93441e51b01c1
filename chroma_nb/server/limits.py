"""Limits of one call to a server: sizes, depths, times. All are checked before memory is taken."""

from __future__ import annotations

from dataclasses import dataclass

from chroma_nb.errors import BatchSizeExceededError, InvalidArgumentError


@dataclass(frozen=True)
class Limits:
    """Limits for the requests of one server. Times are in seconds.

    Attributes
    ----------
    body_bytes
        The largest body of a request, in bytes.
    header_bytes
        The largest header of a request, in bytes.
    batch
        The most records in one write. Clients split larger writes.
    result_rows
        The most records in one response.
    filter_depth
        The deepest nesting of a filter.
    filter_operands
        The most operands in one filter.
    knns
        The most ``Knn`` in one search.
    header_seconds
        How long the header of a request may take.
    body_idle_seconds
        The longest pause in the body of a request.
    body_seconds
        How long the whole body of a request may take.
    answer_idle_seconds
        How long a client may stop reading a response before the connection is closed.
    unsent_bytes
        If responses that clients have not read take more memory than this, no further large response is
        started.
    stalled_seconds
        In that case, how long a client may stop reading before the connection is closed.
    keepalive_seconds
        How long an idle connection is kept.
    connections
        The most connections. Beyond it, the connection whose client is slowest is closed.
    threads
        How many calls run at the same time.
    stop_seconds
        How long the server waits for running requests when it stops.
    """

    body_bytes: int = 256 * 1024 * 1024
    header_bytes: int = 64 * 1024
    #: Records in one write; told to clients, which split.
    batch: int = 10_000
    #: Rows of one query's answer, all its vectors together.
    result_rows: int = 1_000_000
    filter_depth: int = 64
    filter_operands: int = 10_000
    #: Times that one search may look for the nearest: each may be a scan of all records.
    knns: int = 1_000
    #: Seconds until a request's head, the next piece of its body, its whole body must have come.
    header_seconds: float = 10.0
    body_idle_seconds: float = 30.0
    body_seconds: float = 900.0
    #: Seconds until a client must have taken the next piece of an answer.
    answer_idle_seconds: float = 60.0
    #: Bytes of answers that clients have not taken: beyond, no call with a large answer begins, and who took nothing
    #: for so many seconds is left.
    unsent_bytes: int = 128 * 1024 * 1024
    stalled_seconds: float = 2.0
    #: Seconds an idle connection is kept: longer than Chroma's clients keep theirs (40), so that it is
    #: they who close it.
    keepalive_seconds: int = 75
    #: Beyond, the slowest that a client keeps waiting for is closed for a new one.
    connections: int = 512
    #: Engine calls at a time.
    threads: int = 16
    stop_seconds: int = 10


def check_batch(size: int, limits: Limits) -> None:
    """Refuse more records than one call may carry."""
    if size > limits.batch:
        raise BatchSizeExceededError(
            f"Batch size {size} exceeds maximum batch size {limits.batch}; send the records in several calls"
        )


def check_filter(where: object, limits: Limits) -> None:
    """Refuse a filter that is nested too deep or holds too many operands; walks without recursion."""
    todo, operands = [(where, 1)], 0
    while todo:
        term, depth = todo.pop()
        if depth > limits.filter_depth:
            raise InvalidArgumentError(
                f"Invalid where clause: expected at most {limits.filter_depth} levels of nesting, got more"
            )
        if not isinstance(term, dict | list):
            continue
        operands += len(term)
        if operands > limits.filter_operands:
            raise InvalidArgumentError(
                f"Invalid where clause: expected at most {limits.filter_operands} operands, got more. Split the "
                "request into several calls."
            )
        todo.extend((inner, depth + 1) for inner in (term.values() if isinstance(term, dict) else term))


def check_result_rows(vectors: int, n_results: int, limits: Limits) -> None:
    """Refuse a query whose answer would be too large to build."""
    if vectors * n_results > limits.result_rows:
        raise InvalidArgumentError(
            f"Expected at most {limits.result_rows} rows in one reply, got {vectors} queries for {n_results} "
            "results each. Ask for fewer results, or send fewer queries in one call."
        )


def check_search_rows(rows: int, limits: Limits) -> None:
    """Refuse searches whose answer would be too large to build."""
    if rows > limits.result_rows:
        raise InvalidArgumentError(
            f"Expected at most {limits.result_rows} records in one reply, got searches for {rows}. Set a "
            "limit, or send fewer searches in one call."
        )


def check_knns(knns: int, limits: Limits) -> None:
    """Refuse a search that looks for the nearest too often."""
    if knns > limits.knns:
        raise InvalidArgumentError(
            f"Expected at most {limits.knns} $knn in one search, got {knns}. Use fewer of them, or send "
            "several searches."
        )


def check_facets(keys: int, values: int, limits: Limits) -> None:
    """Refuse facets whose answer would be too large to build."""
    if keys * max(values, 1) > limits.result_rows:
        raise InvalidArgumentError(
            f"Expected at most {limits.result_rows} values in one reply, got {keys} keys with {values} values "
            "each. Ask for fewer values, or send fewer keys in one call."
        )
