"""A person's or a program's search: by words, meaning, exact text, time and speaker.

Unlike recall, which nobody asked for, it waits for the meaning, shows whatever was found
and looks at the log too.
"""

import datetime
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .context.recall import make_query
from .conversation.items import Message
from .errors import UsageError
from .search import By, Match, Searcher
from .store.base import Conversation, Hit

How: TypeAlias = Literal["best", "words", "meaning", "text"]
When: TypeAlias = str | float | datetime.date | None

HOW: tuple[How, ...] = ("best", "words", "meaning", "text")
SPEAKERS = ("user", "assistant")
FURTHER = 10  # times as many are looked at where too many were left out by time or speaker
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a search is limited to: seconds since the epoch, the second one left out; a role."""

    since: float | None = None
    until: float | None = None
    speaker: str | None = None

    def __bool__(self) -> bool:
        return (self.since, self.until, self.speaker) != (None, None, None)

    def admit(self, said: float, role: str) -> bool:
        """Tell whether something said then, by that role, is within them."""
        return (
            (self.since is None or said >= self.since)
            and (self.until is None or said < self.until)
            and self.speaker in (None, role)
        )


def make_limits(since: When, until: When, speaker: str | None) -> Limits:
    """Read limits as people give them.

    Args:
        since: the first day, as "2023-05-01" or a date; or a time, in seconds since the epoch or as
            "2023-05-01T12:00". Days and times without a zone are UTC.
        until: likewise, the last day included.
        speaker: "user" or "assistant".

    Raises:
        UsageError: one of them is none of these.
    """
    if speaker is not None and speaker not in SPEAKERS:
        raise UsageError(f"There is no speaker {speaker!r}: use user or assistant.")
    return Limits(since=_seconds(since, 0.0), until=_seconds(until, DAY_SECONDS), speaker=speaker)


def _seconds(when: When, day: float) -> float | None:
    """Seconds since the epoch; `day` is added to what names a whole day."""
    if when is None or isinstance(when, int | float):
        return when
    if isinstance(when, str):
        try:
            parsed = datetime.datetime.fromisoformat(when)
        except ValueError as error:
            raise UsageError(f"{when!r} is no day: write it as 2023-05-01.") from error
        when = parsed if len(when) > len("2023-05-01") else parsed.date()
    if isinstance(when, datetime.datetime):
        return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()
    midnight = datetime.datetime.combine(when, datetime.time(), datetime.UTC)
    return midnight.timestamp() + day


async def look_up(
    searcher: Searcher,
    owner: str,
    text: str,
    *,
    within: Conversation | None,
    by: How,
    limits: Limits,
    limit: int,
    now: float,
) -> list[Hit]:
    """Search what was said.

    Args:
        searcher: searches.
        owner: whose conversations.
        text: what to look for; "" lists what is within the limits, newest first.
        within: one conversation; None: all of the owner's.
        by: "words" and "meaning" put the best first, "best" is both; "text" finds these very
            characters, in whatever case, newest first.
        limits: of time and speaker.
        limit: hits at most.
        now: seconds since the epoch, for "yesterday" and the like.

    Raises:
        UsageError: there is nothing to search for, or nothing to search with.
    """
    if by not in HOW:
        raise UsageError(f"A search goes by {', '.join(HOW[:-1])} or {HOW[-1]}, not by {by!r}.")
    if not text.strip() and not limits:
        raise UsageError("There is nothing to search for: give a word or more.")
    if by == "text" or not text.strip():
        return await _find_text(searcher, owner, text.strip() and text, within, limits, limit)
    if by == "meaning" and searcher.embedder is None:
        raise UsageError("Nothing here knows meanings: run turnkeep embed install, or name --embeddings.")
    hits = await _find_best(searcher, owner, text, within, by, limits, limit, now)
    # Part of a word, or what is no word at all: found as it stands.
    return hits or await _find_text(searcher, owner, text, within, limits, limit)


async def _find_best(
    searcher: Searcher,
    owner: str,
    text: str,
    within: Conversation | None,
    by: By,
    limits: Limits,
    limit: int,
    now: float,
) -> list[Hit]:
    query = make_query(text, now=now)
    most = limit
    while True:
        if within is None:
            found = await searcher.find_elsewhere(owner, query, apart=None, most=most, by=by, explicit=True)
        else:
            found = await searcher.find(
                owner, within.id, query, tip=within.tip, upto=within.tip.seq, most=most, by=by, explicit=True
            )
        if by == "meaning" and found.why is not None:
            raise UsageError(f"Nothing can be found by its meaning now. {found.why}")
        hits = [_hit(match, within) for match in found.matches]
        hits = [hit for hit in hits if limits.admit(hit.created, hit.role)][:limit]
        if len(hits) == limit or len(found.matches) < most:
            return hits
        most *= FURTHER


def _hit(match: Match, within: Conversation | None) -> Hit:
    message = match.item.item
    assert isinstance(message, Message)
    return Hit(
        conversation=match.conversation,
        name=within.name if within is not None else match.name,
        turn=match.item.turn,
        role=message.role,
        text=message.text,
        created=match.item.created,
    )


async def _find_text(
    searcher: Searcher, owner: str, text: str, within: Conversation | None, limits: Limits, limit: int
) -> list[Hit]:
    where = within.id if within is not None else None
    found: list[Hit] = []
    asked = limit
    while True:
        hits = await searcher.store.search_text(owner, text, conversation=where, limit=asked)
        found = [hit for hit in hits if limits.admit(hit.created, hit.role)][:limit]
        if len(found) == limit or len(hits) < asked:
            return found
        asked *= FURTHER
