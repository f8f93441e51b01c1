"""The order of calls to a server: facts first, writes in batches, failures repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, cast

from chroma_nb import _blocking as blocking
from chroma_nb.backends.http import exchange
from chroma_nb.backends.http._async import in_pages
from chroma_nb.backends.http.codec import (
    PRE_FLIGHT,
    Call,
    Reply,
    ServerFacts,
    decode,
    encode,
    error_of,
    is_ours,
    server_facts,
)
from chroma_nb.backends.http.exchange import Failure, KnownServer, Outcome, Write
from chroma_nb.operations import requests as ops
from chroma_nb.operations.requests import R, Request


class AsyncLine(Protocol):
    """What carries calls to one server."""

    async def send(self, call: Call) -> Outcome:
        """What became of ``call``, which is sent once."""

    async def pause(self, seconds: float) -> None:
        """Wait before a call is repeated."""

    def progress(self, written: int, total: int) -> None:
        """So many of the records of one call are written."""


async def ask(request: Request[R], server: KnownServer, line: AsyncLine) -> R:
    """Ask the server for ``request``; returns its answer."""
    if isinstance(request, Write):
        await _write(request, server, line)
        return cast(R, None)
    if isinstance(request, ops.GetMaxBatchSize):
        facts = await _facts(server, line)
        return cast(R, -1 if facts.max_batch_size is None else facts.max_batch_size)
    if is_ours(request) and not (await _facts(server, line)).is_ours:
        return await in_pages.answer(request, AsyncOtherServer(server, line))
    call = await blocking.run(encode, request, server.facts or ServerFacts())
    reply = await _reply(call, line)
    return await blocking.run(decode, request, reply)


@dataclass(frozen=True)
class AsyncOtherServer:
    """A server that knows Chroma's calls alone."""

    server: KnownServer
    line: AsyncLine

    async def ask(self, request: Request[R]) -> R:
        """Its answer to ``request``, which is one of Chroma's."""
        return await ask(request, self.server, self.line)


async def _reply(call: Call, line: AsyncLine) -> Reply:
    """The reply to ``call``, which is repeated where that is safe."""
    for delay in (*exchange.DELAYS, None):
        outcome = await line.send(call)
        wait = None if delay is None else exchange.pause_before_repeating(call, outcome, delay)
        if wait is not None:
            await line.pause(wait)
        elif isinstance(outcome, Failure):
            raise outcome.error
        else:
            return outcome
    raise AssertionError("the last attempt returns or raises")


async def _facts(server: KnownServer, line: AsyncLine) -> ServerFacts:
    if server.facts is None:
        reply = await _reply(PRE_FLIGHT, line)
        if reply.status >= 400 and reply.status != 404:
            raise error_of(reply)
        server.facts = server_facts(reply)
    return server.facts


async def _write(request: Write, server: KnownServer, line: AsyncLine) -> None:
    facts = await _facts(server, line)
    total, written = len(request.records), 0
    for batch in exchange.batches(request.records, facts.max_batch_size):
        part = replace(request, records=batch)
        try:
            call = await blocking.run(encode, part, facts)
            decode(part, await _reply(call, line))
        except Exception as error:
            if written:
                error.args = (f"{error}; {exchange.what_was_written(request, written)}",)
            raise
        written += len(batch)
        if written < total or len(batch) < total:
            line.progress(written, total)
