"""Find the conversation that a resent history belongs to, and say what of it is new.

A chat page sends everything at each turn. What it sends is digested (conversation/digests.py),
and the longest history that ends with a reply known here says which conversation it is and
where it goes on: what is known is never taken from the client again, since the stored bytes
are what the engine has read. An edit or a regeneration leaves the known path earlier, so it
becomes a branch there. A first message alone is nobody's: two people's "hi" are two conversations.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..conversation.digests import begin_chain, chain_digests
from ..conversation.items import Message
from ..conversation.log import START, Position
from ..store.base import Turn
from ..store.ledger import Recognised

if TYPE_CHECKING:
    from .gateway import GatewayStore

KEPT_KEYS = 1_024  # digest keys of owners that are kept at hand

# Headers by which chat pages name the chat, so that equal beginnings of two chats stay apart.
CHAT_HEADERS = (
    "x-openwebui-chat-id",
    "x-chat-id",
    "x-thread-id",
    "x-session-id",
    "session-id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The messages of a request, digested.

    digests: after each of the messages.
    """

    key: bytes
    messages: tuple[Message, ...]
    digests: tuple[bytes, ...]

    def after_reply(self, reply: Message) -> bytes:
        """The digest of the whole history with its answer."""
        return chain_digests(self.key, self.digests[-1], [reply])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a history goes on.

    conversation: its id; None: it is not known.
    after: the item that the new messages hang on.
    known: how many of its messages are.
    """

    conversation: str | None = None
    after: Position = START
    known: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The part of a history that is not known.

    turns: what was said and answered elsewhere, turn by turn: each ends with an assistant's message.
    ends: the place in the history at which each of them ends.
    new: what is to be answered now.
    """

    turns: tuple[tuple[Message, ...], ...]
    ends: tuple[int, ...]
    new: tuple[Message, ...]


class Recogniser:
    """Recognises histories of all owners.

    Args:
        store: keeps digests and their keys.
    """

    def __init__(self, store: "GatewayStore") -> None:
        self._store = store
        self._keys: OrderedDict[str, bytes] = OrderedDict()

    async def digest(self, owner: str, label: str, messages: Sequence[Message]) -> History:
        """Digest a history.

        Args:
            owner: whose.
            label: what else tells it from others (`make_label`).
            messages: all but the system message.
        """
        key = await self.load_key(owner)
        digests = chain_digests(key, begin_chain(key, label), messages)
        return History(key=key, messages=tuple(messages), digests=tuple(digests))

    async def find(self, owner: str, history: History) -> Found:
        """Find where a history goes on; of several conversations the one whose tip it is, the newest first."""
        ends = find_ends(history.messages)
        known = await self._store.find_digests(owner, [history.digests[n] for n in ends]) if ends else None
        if known is None:
            return Found()
        place = await self._choose(owner, known.places)
        return Found(conversation=place.conversation, after=place.at, known=ends[known.index] + 1)

    async def _choose(self, owner: str, places: Sequence[Recognised]) -> Recognised:
        if len(places) > 1:
            for place in places:
                row = await self._store.load_conversation(owner, place.conversation)
                if row.tip == place.at:
                    return place
        return places[0]

    async def save(
        self, owner: str, conversation: str, history: History, ends: Sequence[int], turns: Sequence[Turn]
    ) -> None:
        """Remember where turns that came with a history end in it."""
        digests = [(history.digests[n], turn.number) for n, turn in zip(ends, turns, strict=True)]
        await self._store.save_digests(owner, conversation, digests)

    async def load_key(self, owner: str) -> bytes:
        """The key of an owner's digests."""
        key = self._keys.get(owner)
        if key is None:
            key = self._keys[owner] = await self._store.load_digest_key(owner)
            if len(self._keys) > KEPT_KEYS:
                self._keys.popitem(last=False)
        return key


def find_ends(messages: Sequence[Message]) -> list[int]:
    """The places of the assistant's messages: where a history may be known."""
    return [n for n, message in enumerate(messages) if message.role == "assistant"]


def split_unknown(messages: Sequence[Message], known: int) -> Unknown:
    """Part what is not known into turns that were answered elsewhere and what is new.

    Example: u a u a u, 2 known → one turn (u a), new (u).
    """
    ends = [n for n in find_ends(messages) if n >= known]
    begins = [known, *(n + 1 for n in ends)]
    return Unknown(
        turns=tuple(tuple(messages[begin : end + 1]) for begin, end in zip(begins, ends, strict=False)),
        ends=tuple(ends),
        new=tuple(messages[begins[-1] :]),
    )


def make_label(headers: Mapping[str, str], user: str | None) -> str:
    """What joins the digests of a request beside its messages: a chat's id, and whose it is.

    Args:
        headers: of the request, names in lower case.
        user: of its body.
    """
    chat = next((headers[name] for name in CHAT_HEADERS if headers.get(name)), "")
    return "\n".join((chat, user or ""))


def make_chat_label(conversation: str) -> str:
    """What joins the digests of a history that came with the name of its conversation."""
    return f"conversation\n{conversation}"
