"""Responses that run without a reader: asked for, then fetched, followed or cancelled.

Such a response is kept as queued before its turn begins, under a lease of its own, so that a
gateway that died leaves none in progress for ever. Its events are kept in order, whether or not
it was asked for as a stream, and can be read from any number on. Nobody is told an event that is
not kept: whoever comes back gets what follows, the same bytes as if they had never been away.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from weakref import WeakKeyDictionary

from ..errors import ConversationNotFound, QueueFull, RequestRefused, TurnkeepError
from ..holding import name_holder
from ..store.base import Lease
from ..wire.response_events import DONE, Event, finish_stream, render_events, replay_response
from ..wire.response_items import Json
from ..wire.response_objects import Standing
from ..wire.responses import CreateRequest
from .answering import is_end, make_object, stream_course
from .asking import Course, Draft, Retry, draft_response, drop_place, save_draft, start_draft
from .gateway import Gateway
from .http import Answer, Call, Route, Streamed
from .orphans import fail_orphans, settle_orphan
from .showing import find_response, show_response

LEASE_SECONDS = 15.0
LOOK_SECONDS = (
    1.0  # between two looks at whether it was cancelled elsewhere; unwatched, its events are kept as often
)
FOLLOW_SECONDS = 0.2  # between two looks at what another gateway runs
EVENTS_AT_ONCE = 1_000

_log = logging.getLogger(__name__)


class Background:
    """A response that runs without a reader in this process.

    Args:
        gateway: where it runs.
        owner: whose it is.
        course: its turn.
        lease: what says that somebody works on it.
    """

    def __init__(self, gateway: Gateway, owner: str, course: Course, lease: Lease) -> None:
        self.gateway, self.owner, self.course = gateway, owner, course
        self.events: list[Event] = []
        self.done = False
        self._lease, self._followers = lease, 0
        self._kept, self._keeping = 0, asyncio.Lock()
        self._news = asyncio.Event()  # replaced with each news
        self.task = asyncio.create_task(self._drive())

    async def _drive(self) -> None:
        looking = asyncio.create_task(self._look())
        try:
            lists = stream_course(self.gateway, self.owner, self.course, queued=True)
            async with contextlib.aclosing(lists):
                async for told in lists:
                    if is_end(told):
                        await self._settle(told)
                    self.events += told
                    if self._followers or is_end(told):
                        await self._keep_events()
                    self._tell()
        except ConversationNotFound:
            # Deleted with its conversation, or by another gateway: nobody waits for it.
            await self.course.running.stop()
        except Exception:
            _log.exception("a background response broke")
            await self.course.running.stop()
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            await asyncio.shield(self._end())

    async def _settle(self, told: list[Event]) -> None:
        """Keep that it failed, if it did, before that is told."""
        if told[-1][0] == "response.failed" and self.course.running.turn is None:
            error = self.course.running.task.exception()
            with contextlib.suppress(ConversationNotFound):  # likewise
                await self.gateway.store.mark_response(
                    self.owner, self.course.draft.response, "failed", error=str(error)
                )

    async def _keep_events(self) -> None:
        async with self._keeping:
            new = self.events[self._kept :]
            if new:
                numbered = _number(new, self._kept)
                # Where it is deleted, who follows is told the end all the same.
                with contextlib.suppress(ConversationNotFound):
                    await self.gateway.store.save_events(self.owner, self.course.draft.response, numbered)
                self._kept += len(new)

    async def _look(self) -> None:
        """Keep what came, keep the lease, and see whether another gateway has cancelled it."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            store, now = self.gateway.store, self.gateway.clock()
            self._lease = await store.renew_lease(self._lease, now=now, seconds=LEASE_SECONDS)
            try:
                await self._keep_events()
                row = await store.load_response(self.owner, self.course.draft.response)
            except ConversationNotFound:  # deleted
                return await self.stop()
            if row.status == "cancelled":
                await self.stop()

    async def _end(self) -> None:
        self.done = True
        self._tell()
        await self.gateway.store.drop_lease(self._lease)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def stop(self) -> None:
        """Cancel it; what was said so far is kept."""
        self.course.cancelled.set()
        await self.course.running.stop()

    async def follow(self, starting_after: int) -> AsyncGenerator[list[Event], None]:
        """Yield the events behind a number, as they come and are kept, up to the last."""
        self._followers += 1
        try:
            await self._keep_events()
            place = starting_after + 1
            while True:
                news, new = self._news, self.events[place : self._kept]
                if new:
                    place += len(new)
                    yield new
                elif self.done:
                    return
                else:
                    await news.wait()
        finally:
            self._followers -= 1


_running: WeakKeyDictionary[Gateway, dict[str, Background]] = WeakKeyDictionary()


async def begin_background(
    gateway: Gateway, owner: str, request: CreateRequest, retry: Retry | None = None
) -> Answer | Streamed:
    """Begin a response and answer at once that it is queued.

    Raises:
        QueueFull: too many run, or wait; nothing was kept.
    """
    draft = await draft_response(gateway, owner, request, retry)
    subject = f"background:{draft.response}"
    lease = await gateway.store.take_lease(subject, name_holder(), now=gateway.clock(), seconds=LEASE_SECONDS)
    assert lease is not None  # its subject is new
    await save_draft(gateway, owner, draft, None, keeper=subject)
    background = await _launch(gateway, owner, draft, lease)
    if request.stream:
        return Streamed(pieces=follow_response(gateway, owner, draft.response, -1))
    return Answer(body=make_object(gateway, background.course.draft, Standing(status="queued")))


async def _launch(gateway: Gateway, owner: str, draft: Draft, lease: Lease) -> Background:
    try:
        course = Course(draft, start_draft(gateway, owner, draft, queued=True))
        try:
            gateway.turns.keep(course.running)
        except QueueFull:
            await course.running.stop()
            raise
    except TurnkeepError:
        await gateway.store.delete_response(owner, draft.response)
        await gateway.store.drop_lease(lease)
        await drop_place(gateway, owner, draft.place)
        raise
    background = Background(gateway, owner, course, lease)
    known = _running.setdefault(gateway, {})
    known[draft.response] = background
    gateway.beside.add(background.task)
    background.task.add_done_callback(gateway.beside.discard)
    background.task.add_done_callback(lambda _: known.pop(draft.response, None))
    return background


def _subject(response: str) -> str:
    """What the lease is on of who runs a response."""
    return f"background:{response}"


async def _is_held(gateway: Gateway, response: str) -> bool:
    """Whether some gateway runs a response; it lets go when all is kept."""
    subject = _subject(response)
    leases = await gateway.store.held_leases(subject, now=gateway.clock())
    return any(lease.subject == subject for lease in leases)


async def _wait_until_let_go(gateway: Gateway, response: str) -> None:
    """Wait until the gateway that runs a response has seen that it is cancelled, if it lives."""
    for _ in range(int(LEASE_SECONDS / FOLLOW_SECONDS)):
        if not await _is_held(gateway, response):
            return
        await asyncio.sleep(FOLLOW_SECONDS)


def find_background(gateway: Gateway, response: str) -> Background | None:
    """Find a response that runs without a reader in this process."""
    return _running.get(gateway, {}).get(response)


async def follow_response(
    gateway: Gateway, owner: str, response: str, starting_after: int
) -> AsyncGenerator[bytes, None]:
    """Stream a stored response from behind a number on, wherever it runs or ran.

    Raises:
        RequestRefused: this owner has none of that id.
    """
    row = await find_response(gateway.store, owner, response)
    background = find_background(gateway, row.id)
    if background is not None:
        async with contextlib.aclosing(background.follow(starting_after)) as lists:
            async for told in lists:
                starting_after += len(told)
                yield render_events(told)
        if is_end(background.events[-1:]):
            yield DONE
            return
    while True:
        # Whether it has ended is asked first: what was kept before its end is read after that.
        shown = await show_standing(gateway, owner, response)
        ended = shown["status"] not in ("queued", "in_progress") and not await _is_held(gateway, row.id)
        kept = await gateway.store.load_events(
            owner, response, starting_after=starting_after, limit=EVENTS_AT_ONCE
        )
        if kept:
            starting_after = kept[-1][0]
            yield _render_kept([data for _, data in kept])
        elif ended:
            async for piece in _replay_rest(gateway, owner, shown, starting_after):
                yield piece
            return
        else:
            await _pause(FOLLOW_SECONDS)


_pause = asyncio.sleep  # between two looks at what somebody else runs


def _render_kept(kept: list[str]) -> bytes:
    return render_events((_name(data), data) for data in kept)


def _name(data: str) -> str:
    """The name of a kept event: its JSON begins with it."""
    return data[len('{"type":"') : data.index('"', len('{"type":"'))]


async def _replay_rest(
    gateway: Gateway, owner: str, shown: Json, starting_after: int
) -> AsyncGenerator[bytes, None]:
    """Tell the end of a response that has ended, behind what was kept of its events."""
    kept = await _load_kept(gateway, owner, str(shown["id"]))
    rest: list[Event] = []
    if not kept:
        rest = replay_response(shown)
    elif not is_end([(_name(kept[-1]), kept[-1])]):  # whoever ran it died with the end untold
        rest = finish_stream(kept, shown)
    if rest and shown.get("background"):
        # Kept before it is told, like the rest: whoever asks again, or at the same time, gets the same.
        if await gateway.store.save_events(owner, str(shown["id"]), _number(rest, len(kept))):
            kept = await _load_kept(gateway, owner, str(shown["id"]))
            rest = []
        else:  # something of it was forgotten, just now or before: what is left is told, and not kept
            kept, rest = [], replay_response(await show_standing(gateway, owner, str(shown["id"])))
    told = [*((_name(data), data) for data in kept), *rest]
    yield render_events(told[starting_after + 1 :]) + DONE


async def _load_kept(gateway: Gateway, owner: str, response: str) -> list[str]:
    """Load what is kept of a response's events, from the first on."""
    kept: list[str] = []
    while more := await gateway.store.load_events(
        owner, response, starting_after=len(kept) - 1, limit=EVENTS_AT_ONCE
    ):
        kept += [data for _, data in more]
    return kept


def _number(events: Sequence[Event], first: int) -> list[tuple[int, str]]:
    """Events as they are kept, under their sequence numbers."""
    return [(first + place, data) for place, (_, data) in enumerate(events)]


async def replay(response: Json) -> AsyncGenerator[bytes, None]:
    """Stream a response that is there whole."""
    yield render_events(replay_response(response)) + DONE


async def show_standing(gateway: Gateway, owner: str, response: str) -> Json:
    """Show a stored response as it stands; one that nobody works on any more has failed.

    Raises:
        RequestRefused: this owner has none of that id.
    """
    shown = await show_response(gateway, owner, response)
    if shown["status"] in ("queued", "in_progress") and find_background(gateway, shown["id"]) is None:
        await fail_orphans(gateway)
        shown = await show_response(gateway, owner, response)
    if shown["status"] == "completed" and shown.get("background") and await _is_at_work(gateway, shown["id"]):
        return {**shown, "status": "in_progress", "completed_at": None}  # a compaction item may follow
    return shown


async def _is_at_work(gateway: Gateway, response: str) -> bool:
    """Whether more may come of a response whose turn is over."""
    background = find_background(gateway, response)
    return not background.done if background is not None else await _is_held(gateway, response)


async def cancel(call: Call) -> Answer:
    """POST /v1/responses/{id}/cancel: only what runs in the background; what has ended stays as it is."""
    gateway, owner = call.gateway, call.owner
    row = await find_response(gateway.store, owner, call.params["id"])
    if not row.head.get("echo", {}).get("background"):
        raise RequestRefused(
            "Only background responses can be cancelled: close the connection of any other.", param="id"
        )
    await _stop(gateway, owner, row.id)
    return Answer(body=await show_response(gateway, owner, call.params["id"]))


async def _stop(gateway: Gateway, owner: str, response: str) -> None:
    """Cancel a response, and wait until whoever runs it has let go."""
    await gateway.store.mark_response(owner, response, "cancelled")
    background = find_background(gateway, response)
    if background is not None:
        await background.stop()
        await asyncio.wait({background.task})
    else:
        await _wait_until_let_go(gateway, response)


async def settle_deleted(gateway: Gateway, owner: str, response: str) -> None:
    """Have a response that is to be deleted end, where it waits for its turn or nobody works on it any more.

    Raises:
        RequestRefused: this owner has none of that id.
    """
    row = await settle_orphan(gateway, await find_response(gateway.store, owner, response))
    if row.status == "queued" and row.turn is None:
        await _stop(gateway, owner, row.id)


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        pattern="/v1/responses/{id}/cancel",
        handler=cancel,
        summary="Cancel a background response.",
    ),
)
