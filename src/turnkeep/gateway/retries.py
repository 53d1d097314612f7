"""Requests that carry an Idempotency-Key: a client's retry is answered with what the first one made.

Only what is stored can be answered twice; of a request that is not to be stored nothing is kept, so its
key means nothing.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeAlias

from ..errors import EngineError, EngineRefused, RequestRefused
from ..holding import drop_dead_leases, name_holder
from ..store.base import Lease
from ..wire.responses import CreateRequest
from .asking import Retry
from .background import follow_response, show_standing
from .http import Answer, Call, Streamed, status_of

UNKNOWN_SECONDS = 600.0  # clients give up after that; until then a request may wait for its turn to begin
REFUSED = 400  # HTTP status
LOOK_SECONDS = 0.1  # between two looks at a response that somebody else makes

_pause = asyncio.sleep

Answering: TypeAlias = Callable[[Call, CreateRequest, Retry | None], Awaitable[Answer | Streamed]]
First: TypeAlias = Callable[[Retry], Awaitable[Answer | Streamed]]
Again: TypeAlias = Callable[[str, bool], Awaitable[Answer | Streamed | None]]


async def answer_once(call: Call, request: CreateRequest, key: str, answer: Answering) -> Answer | Streamed:
    """Answer a request that carries a key, or answer it as it was answered before.

    Raises:
        RequestRefused: the key stands for another request.
        TurnkeepError: as the request does, or did.
    """
    if not (call.gateway.settings.store_default if request.store is None else request.store):
        return await answer(call, request, None)
    return await claim_answer(
        call,
        key,
        lambda retry: answer(call, request, retry),
        lambda response, refused: _answer_again(call, request, response, refused),
    )


async def claim_answer(
    call: Call, key: str, first: First, again: Again, *, headers: Sequence[str] = ()
) -> Answer | Streamed:
    """Claim a key for a request and answer it, or answer it as it was answered before.

    Args:
        call: the request.
        key: as the client sent it.
        first: answers, and notes in what it is given when a response is known.
        again: answers with the response of that id, which the engine refused or not; None: it was broken off before
            anything was said, so the request is answered anew.
        headers: names of those that make it another request.

    Raises:
        RequestRefused: the key stands for another request.
        TurnkeepError: as the request does, or did.
    """
    store, owner = call.gateway.store, call.owner
    digest = _digest(await store.load_digest_key(owner), call, headers)
    subject = f"retry:{secrets.token_hex(8)}"
    # Held while no response is known: when this process dies, the next retry is the first. Taken
    # before the claim, since a claim whose lease nobody holds is anybody's.
    lease = await store.take_lease(subject, name_holder(), now=call.gateway.clock(), seconds=UNKNOWN_SECONDS)
    settling = _Settling(call, Retry(key), lease)
    try:
        while True:
            claim = await store.claim_idempotency(
                owner, key, digest, now=call.gateway.clock(), keeper=subject
            )
            if claim.fresh:
                return await _answer_first(first, settling)
            if claim.digest != digest:
                raise RequestRefused(
                    "This Idempotency-Key stands for another request: use a new key for each.",
                    code="idempotency_key_reused",
                    status=409,
                )
            if claim.response is not None:
                answered = await again(claim.response, claim.state == "failed")
                if answered is not None:
                    return answered
                await store.drop_idempotency(owner, key, response=claim.response)
                continue
            await _pause(LOOK_SECONDS)
            await drop_dead_leases(store, now=call.gateway.clock())  # of another gateway
    finally:
        if not settling.first:
            await settling.drop_lease()


def _digest(key: bytes, call: Call, headers: Sequence[str]) -> bytes:
    body = json.dumps(call.body, sort_keys=True, separators=(",", ":"))
    given = "".join(f"\n{name}:{call.headers[name].strip()}" for name in headers if name in call.headers)
    return hmac.digest(key, f"{call.path}\n{body}{given}".encode(), hashlib.sha256)[:16]


async def _answer_first(first: First, settling: "_Settling") -> Answer | Streamed:
    settling.first = True
    try:
        answered = await first(settling.retry)
    except BaseException as error:  # raised on; a client that hung up counts as well
        await settling.end(error)
        raise
    if isinstance(answered, Streamed):
        return Streamed(pieces=_settled(answered.pieces, settling), headers=answered.headers)
    await settling.end()
    return answered


async def _settled(pieces: AsyncGenerator[bytes, None], settling: "_Settling") -> AsyncGenerator[bytes, None]:
    try:
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                yield piece
    except BaseException as error:  # raised on
        await settling.end(error)
        raise
    await settling.end()


class _Settling:
    """Gives a claim back of which nothing came, and notes where the engine refused the request."""

    def __init__(self, call: Call, retry: Retry, lease: Lease | None) -> None:
        self._call, self._lease = call, lease
        self.retry = retry
        self.first = False  # the claim is this request's

    async def end(self, error: BaseException | None = None) -> None:
        """Give it back, unless a response is known by now; `error`: what the request was answered with."""
        await asyncio.shield(self._end(error))

    async def _end(self, error: BaseException | None) -> None:
        store, owner, retry = self._call.gateway.store, self._call.owner, self.retry
        if retry.response is None:
            await store.drop_idempotency(owner, retry.key)
        elif isinstance(error, EngineRefused) and status_of(error) == REFUSED:
            await store.settle_idempotency(owner, retry.key, response=retry.response, state="failed")
        await self.drop_lease()

    async def drop_lease(self) -> None:
        """Stand for the claim no longer."""
        if self._lease is not None:
            await self._call.gateway.store.drop_lease(self._lease)


async def _answer_again(
    call: Call, request: CreateRequest, response: str, refused: bool
) -> Answer | Streamed | None:
    """Answer with what was made of the same request: at once where it runs in the background."""
    while True:
        shown = await show_standing(call.gateway, call.owner, response)
        if request.background or request.stream or shown["status"] not in ("queued", "in_progress"):
            break
        await _pause(LOOK_SECONDS)
    if shown["status"] == "incomplete" and not shown["incomplete_details"] and not shown["output"]:
        return None
    if shown["status"] == "failed" and (refused or not request.stream):
        raise make_again(shown["error"]["message"], refused=refused)
    if request.stream:
        return Streamed(pieces=follow_response(call.gateway, call.owner, response, -1))
    return Answer(body=shown)


def make_again(sentence: str, *, refused: bool) -> EngineError:
    """The error of a turn that failed, for whoever asks again; `refused`: by the engine, for what was asked."""
    error = EngineRefused(sentence, http_status=REFUSED) if refused else EngineError(sentence)
    error.begun = not refused  # of what was refused nothing was begun
    return error
