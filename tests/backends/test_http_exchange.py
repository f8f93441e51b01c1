"""The order of things: facts before writes, batches in order, repetitions where they are safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_nb import errors
from chroma_nb.backends.http._async import conversation as async_conversation
from chroma_nb.backends.http._sync import conversation
from chroma_nb.backends.http.codec import Call, Reply
from chroma_nb.backends.http.exchange import Failure, KnownServer, batches
from chroma_nb.operations import requests as ops
from chroma_nb.records import Records

PLACE = {"collection_id": UUID(int=1), "tenant": "t", "database": "d"}
FACTS = Reply(200, {}, b'{"max_batch_size":2,"supports_base64_encoding":true}')
DONE = Reply(201, {}, b"{}")
BUSY = Reply(503, {}, b"")


class Line:
    """Notes what is done; the calls have the ``outcomes``."""

    def __init__(self, outcomes: list[Any]) -> None:
        self.outcomes, self.calls, self.pauses, self.written = outcomes, [], [], []

    def send(self, call: Call) -> Any:
        self.calls.append(call)
        return self.outcomes.pop(0)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def progress(self, written: int, total: int) -> None:
        self.written.append(written)


class AwaitedLine(Line):
    async def send(self, call: Call) -> Any:
        return super().send(call)

    async def pause(self, seconds: float) -> None:
        super().pause(seconds)


def talk(request: ops.Request[Any], outcomes: list[Any], server: KnownServer | None = None) -> tuple[Line, Any]:
    """What is done when the calls have these outcomes, and the answer or the error: the same awaited or not."""
    facts = server.facts if server else None
    awaited = AwaitedLine(list(outcomes))
    result = answer(lambda: asyncio.run(async_conversation.ask(request, KnownServer(facts), awaited)))
    line = Line(list(outcomes))
    assert repr(result) == repr(answer(lambda: conversation.ask(request, server or KnownServer(), line)))
    assert (line.calls, line.pauses, line.written) == (awaited.calls, awaited.pauses, awaited.written)
    return line, result


def answer(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001
        return error


def add(count: int) -> ops.Add:
    ids = [f"r{row}" for row in range(count)]
    return ops.Add(**PLACE, records=Records(ids, np.ones((count, 2), np.float32), documents=ids))


def targets(line: Line) -> list[str]:
    return [call.target.rpartition("/")[2] for call in line.calls]


def test_a_write_asks_for_the_servers_facts_once() -> None:
    server = KnownServer()
    first, _ = talk(add(1), [FACTS, DONE], server)
    second, _ = talk(add(1), [DONE], server)
    assert targets(first) == ["pre-flight-checks", "add"]
    assert targets(second) == ["add"]


def test_a_write_beyond_the_servers_maximum_goes_in_batches_in_order() -> None:
    done, _ = talk(add(5), [FACTS, DONE, DONE, DONE])
    sent = [orjson.loads(call.body)["ids"] for call in done.calls if call.body]
    assert sent == [["r0", "r1"], ["r2", "r3"], ["r4"]]
    assert done.written == [2, 4, 5]


def test_a_batch_that_fails_tells_what_was_written_before_it() -> None:
    refusal = Reply(400, {}, b'{"error":"InvalidArgumentError","message":"no"}')
    done, error = talk(add(5), [FACTS, DONE, refusal])
    assert isinstance(error, errors.InvalidArgumentError)
    assert "2 of its 5 records, up to id 'r1', are written" in str(error)
    assert "from id 'r2' on are not" in str(error)
    assert targets(done) == ["pre-flight-checks", "add", "add"]


def test_the_maximum_is_what_the_server_says_and_unknown_without_the_question() -> None:
    assert talk(ops.GetMaxBatchSize(), [FACTS])[1] == 2
    assert talk(ops.GetMaxBatchSize(), [Reply(404, {}, b"")])[1] == -1


@pytest.mark.parametrize("status", [502, 503, 504, 429])
def test_a_repeatable_call_is_repeated_and_at_last_given_up(status: int) -> None:
    trouble = Reply(status, {}, b"")
    done, answer = talk(ops.GetVersion(), [trouble, trouble, Reply(200, {}, b'"1.0.0"')])
    assert answer == "1.0.0"
    assert done.pauses == sorted(done.pauses)
    done, error = talk(ops.GetVersion(), [trouble] * 9)
    assert isinstance(error, errors.ChromaError)
    assert len(targets(done)) == 3


def test_a_call_that_is_not_repeatable_is_repeated_only_when_it_cannot_have_arrived() -> None:
    lost, unreached = Failure(OSError("lost")), Failure(OSError("unreached"), unreached=True)
    assert len(targets(talk(ops.Reset(), [BUSY])[0])) == 1
    assert len(targets(talk(ops.Reset(), [lost])[0])) == 1
    done, answer = talk(ops.Reset(), [unreached, Reply(429, {}, b""), Reply(200, {}, b"true")])
    assert answer is True
    assert len(targets(done)) == 3


def test_an_answer_that_did_not_come_in_time_is_not_waited_for_again() -> None:
    done, error = talk(ops.GetVersion(), [Failure(TimeoutError("late"), final=True)])
    assert isinstance(error, TimeoutError)
    assert len(done.calls) == 1


def test_retry_after_is_obeyed_within_reason() -> None:
    done, _ = talk(ops.GetVersion(), [Reply(429, {"retry-after": "3"}, b""), Reply(200, {}, b'"x"')])
    assert done.pauses == [3.0]
    done, error = talk(ops.GetVersion(), [Reply(429, {"retry-after": "3600"}, b"")])
    assert isinstance(error, errors.RateLimitError)
    assert len(done.calls) == 1


@given(st.lists(st.text(max_size=30), max_size=40), st.integers(1, 10), st.integers(1, 400))
def test_batches_keep_order_and_bounds(documents: list[str], max_size: int, max_bytes: int) -> None:
    ids = [str(row) for row in range(len(documents))]
    metadatas = [{"text": document} for document in documents]
    records = Records(ids, np.ones((len(ids), 3), np.float32), documents=documents, metadatas=metadatas)
    parts = list(batches(records, max_size, max_bytes))
    assert [one for part in parts for one in part.ids] == ids
    assert [one for part in parts for one in part.documents or ()] == documents
    assert all(len(part) <= max_size for part in parts)
    for part in parts:
        text = sum(len(document.encode()) for document in part.documents or ())
        assert len(part) <= 1 or text <= max_bytes
