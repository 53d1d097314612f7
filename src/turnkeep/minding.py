"""The verbs of a chat that tell turnkeep itself something: what to remember, to correct, to forget.

No engine is asked to say anything here; notes reach the model with the next message.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence

from .context.notes import make_corrections, make_note
from .context.view import View
from .conversation.items import Message, Note
from .errors import UsageError
from .forgetting.courses import Forgetter
from .forgetting.receipt import ForgetReceipt
from .holding import hold_conversation
from .looking import Looking
from .notes import append_notes, check_room, find_room, load_told
from .prompt import Desk
from .record import load_last_turn, load_said, load_turn_on_path
from .restoring import restore_summary
from .store.base import Turn
from .store.erasing import EveryMention, OlderThan, OneConversation, OneItem, OneTurn, What


class Minding(Looking):
    """A chat as far as one can look into it, and tell turnkeep itself what to keep in mind."""

    @property
    @abstractmethod
    def _has_upkeep(self) -> bool:
        """Whether this chat looks after its summaries itself."""

    @abstractmethod
    async def _make_way(self) -> None:
        """Have upkeep stop, so that the conversation is free."""

    @abstractmethod
    def _wake(self) -> None:
        """Have upkeep go on."""

    @abstractmethod
    def _forgetter(self) -> Forgetter:
        """What forgets in this chat's store."""

    @abstractmethod
    async def _leave_forgotten(self) -> None:
        """The conversation is gone: the next verb begins another."""

    async def remember(self, text: str) -> Turn:
        """Have something remembered word for word, whatever becomes of the turns; no reply is asked for.

        The model reads it with the next message, and from the next compaction on as a fact.

        Args:
            text: what, up to 1,000 characters.

        Returns:
            The turn that holds the note.

        Raises:
            UsageError: the text is empty or too long, or the window has no room for it beside what is
                remembered already.
            Conflict: the model waits for the results of its tools.
        """
        note = make_note(text)
        return await self._keep_notes(lambda _: [note])

    async def pin(self, turn: int | None = None) -> Turn:
        """Have remembered what the user said in a turn, the last one by default; otherwise as `remember`.

        Raises:
            NothingToDo: there is no such turn on the way to the last one.
        """
        desk, _ = await self._open_desk()
        said = await (load_last_turn(desk) if turn is None else load_turn_on_path(desk, turn))
        items = await load_said(desk, said)
        text = "\n".join(item.text for item in items if isinstance(item, Message) and item.role == "user")
        note = make_note(text, turn=said.number)
        return await self._keep_notes(lambda _: [note])

    async def correct(self, old: str, new: str | None) -> Turn:
        """Correct a line of the summary, or a fact; no reply is asked for.

        The model reads the correction with the next message, and from the next compaction on the new words
        in place of the old. They are locked: no compaction merges or drops them.

        Args:
            old: the text of the line or fact, as `summary()` and `facts()` show it.
            new: what stands there from now on, up to 1,000 characters; None takes it away.

        Returns:
            The turn that holds the note.

        Raises:
            UsageError: nothing reads so; or the new words are none, too many, or find no room.
            Conflict: the model waits for the results of its tools.
        """
        return await self._keep_notes(lambda told: make_corrections(told, old, new))

    async def restore(self, version: int) -> None:
        """Have the lines of an earlier summary stand again, with those about turns that were folded since.

        The model reads them when upkeep has had the engine read them, as after a compaction; without
        upkeep, from the next message on. Corrections that were made since the last compaction hold on.

        Args:
            version: its `number`, as `summaries()` lists it.

        Raises:
            UsageError: there is no such version on this branch.
            NothingToDo: it is what the model reads already.
        """
        desk, _ = await self._open_desk()
        await self._make_way()
        try:
            await restore_summary(desk, version, at_once=not self._has_upkeep)
        finally:
            self._wake()

    async def _keep_notes(self, make: Callable[[View], Sequence[Note]]) -> Turn:
        """Keep the notes that are made of what holds now."""
        desk, _ = await self._open_desk()
        await self._make_way()
        try:
            room = await find_room(desk)
            async with hold_conversation(desk) as lease:
                await desk.store.settle_turns(self._owner, desk.conversation, lease=lease, now=time.time())
                told = await load_told(desk)
                notes = make(told)
                if room is not None:
                    check_room(room, told, notes)
                return await append_notes(desk, notes, after=(await desk.load()).tip, lease=lease)
        finally:
            self._wake()

    async def forget(
        self,
        turn: int | None = None,
        *,
        message: str | None = None,
        conversation: bool = False,
        older_than_days: float | None = None,
        value: str | None = None,
        everywhere: bool = False,
        dry_run: bool = False,
        prove: bool = True,
    ) -> ForgetReceipt:
        """Forget a turn, the last one by default, or what else is named: its text, and all that was made of it.

        Its place and the ids of its items stay. Gone are the words and vectors of its items, copies that were
        recalled later, pins of it, and lines of summaries that rest on it. What the model said
        elsewhere of the same thing stays; forget the value for that.

        Args:
            turn: its number.
            message: the id of one item, in place of a turn.
            conversation: all of this conversation; the chat goes on in a new one.
            older_than_days: what was said before so many days.
            value: every mention of a value; messages that hold it stay, with "[forgotten]" in its place.
            everywhere: with `older_than_days` or `value`: in all of the owner's conversations.
            dry_run: only say what would be forgotten.
            prove: search the files for what was forgotten.

        Returns:
            The turns forgotten, this one and those that were asked with the same words in its place; and
            what went where, with the proof.

        Raises:
            NothingToDo, ConversationNotFound: there is no such turn.
            UsageError: more than one thing is named, or a value too short to be found for certain.
            Conflict: another program holds the conversation.
        """
        _check_one(turn, message, conversation or None, older_than_days, value)
        desk, _ = await self._open_desk()
        await self._make_way()
        try:
            where = None if everywhere else desk.conversation
            what = _choose_wide(desk.conversation if conversation else None, where, older_than_days, value)
            what = what or await _choose_part(desk, turn, message)
            receipt = await self._forgetter().forget(self._owner, what, dry_run=dry_run, prove=prove)
            if not dry_run:
                await self._let_go(desk, receipt)
        finally:
            self._wake()
        return receipt

    async def _let_go(self, desk: Desk, receipt: ForgetReceipt) -> None:
        """Hold nothing of what was forgotten in memory."""
        desk.learned.read_views.clear()  # what the engine has read begins otherwise now
        desk.forget()
        for each in (*receipt.turns, *receipt.conversations):
            self._equipment.open_searcher().forget(self._owner, each)
        if desk.conversation in receipt.conversations:
            await self._leave_forgotten()


def _check_one(*named: object) -> None:
    if sum(each is not None for each in named) > 1:
        raise UsageError("Name one thing to forget: a turn, a message, the conversation, days, or a value.")


def _choose_wide(
    conversation: str | None, where: str | None, older_than_days: float | None, value: str | None
) -> What | None:
    """What is more than a part of one conversation; None where no such thing is named."""
    if value is not None:
        return EveryMention(value=value, conversation=where)
    if older_than_days is not None:
        return OlderThan(before=time.time() - older_than_days * 86_400, conversation=where)
    return None if conversation is None else OneConversation(conversation=conversation)


async def _choose_part(desk: Desk, turn: int | None, message: str | None) -> What:
    """A part of the conversation; the last turn where none is named."""
    if message is not None:
        return OneItem(conversation=desk.conversation, item=message)
    number = (await load_last_turn(desk, failed=True)).number if turn is None else turn
    return OneTurn(conversation=desk.conversation, turn=number)
