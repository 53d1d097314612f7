"""What a turn is given when it begins, and what it hands over with its end; each is one transaction of the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..conversation.log import Position
from .base import Conversation, Lease, Turn
from .ledger import NewResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A conversation that is held, and the turn that was begun there.

    row: as it was before the turn.
    turn: None where no items were given.
    clean: the newest turn before it has a receipt, and nothing was forgotten since that was written.
    """

    lease: Lease
    row: Conversation
    turn: Turn | None
    clean: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a turn taught, kept with its end: small values, and counted tokens of items. See `save_value`, `save_sizes`."""

    values: Mapping[str, str] = field(default_factory=dict)
    tokenizer: str = ""
    sizes: Mapping[Position, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is kept with a turn's end beside the turn: the row of the completion that it answers, and digests.

    completion: its turn is the one that ends, whatever it says; None: there is no row, or it is there already.
    digests: of the histories that end with the turn.
    """

    completion: NewResponse | None = None
    digests: Sequence[bytes] = ()
