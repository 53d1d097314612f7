"""The receipt of a turn: what the model saw, what it cost, and why it had to read more.

Ranges, not lists, so that a receipt stays small however long the conversation is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

TurnRange: TypeAlias = tuple[int, int]  # first and last turn, both included


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What went into one turn's prompt, and what the engine made of it.

    Token figures are None where nobody knows them; missing is not zero.
    """

    engine: str  # kind of the engine
    model: str
    window: int  # tokens of the context window
    reserve: int  # tokens kept free for the reply
    high: int  # tokens above which a compaction is due
    low: int  # tokens a compaction leaves
    strategy: str = ""  # as the user would write it
    tools: str = ""  # the tools of the request, shortly; the same text for the same tools
    view: int | None = None  # number of the view the prompt was built from
    instructions: int | None = None  # number of the instructions
    exact: bool = False  # whether prompt_tokens was counted by the engine's own tokenizer
    prompt_tokens: int = 0  # tokens of the whole prompt, as counted before it was sent
    base_tokens: int = 0  # of these: instructions, summary and facts
    facts_tokens: int = 0  # of the base: facts in the user's words, as estimated
    log_tokens: int = 0  # of these: earlier turns, verbatim
    recalled_tokens: int = 0  # of these: lines recalled for this turn
    new_tokens: int = 0  # of these: the new message
    verbatim: tuple[TurnRange, ...] = ()  # turns the model read word for word
    summarised: tuple[TurnRange, ...] = ()  # turns it read as a summary
    left_out: tuple[TurnRange, ...] = ()  # turns it did not read in any form
    refused: tuple[tuple[str, int], ...] = ()  # lines of the last summary that were dropped, by why
    recalled: tuple[int, ...] = ()  # turns quoted before the new message; 0: another conversation
    recalled_by: str = ""  # what they were looked for by: "words", "words and meaning"; "": not at all
    recall_note: str | None = None  # why the meaning could not help
    moved: str | None = (
        None  # why the front of the prompt is not that of the last prompt; None: it extends it
    )
    notices: tuple[str, ...] = ()  # sentences the person was shown
    forgotten: tuple[
        int, ...
    ] = ()  # turns forgotten since, so that the next prompt's front moves; 0: elsewhere
    max_tokens: int | None = None  # limit of the reply as sent
    finish_reason: str | None = None
    engine_prompt_tokens: int | None = None  # tokens of the prompt, as the engine reported
    reused_tokens: int | None = None  # of these, from its KV cache
    read_tokens: int | None = None  # of these, read anew
    reply_tokens: int | None = None
    seconds_to_first: float | None = None  # from the message to the first piece of the reply
    seconds: float | None = None
    tokens_per_second: float | None = None


_FIELDS = fields(Receipt)


def dump_receipt(receipt: Receipt) -> dict[str, Any]:  # Any: JSON values
    """Turn a receipt into JSON values, leaving out what equals the default."""
    return {
        field.name: value for field in _FIELDS if (value := getattr(receipt, field.name)) != field.default
    }


def load_receipt(body: Mapping[str, Any]) -> Receipt:  # Any: JSON values of our own making
    """Inverse of `dump_receipt`; fields of a newer version are passed over."""
    known = {field.name for field in fields(Receipt)}
    values = {name: value for name, value in body.items() if name in known}
    for name in ("verbatim", "summarised", "left_out"):
        values[name] = tuple((int(first), int(last)) for first, last in values.get(name, ()))
    values["refused"] = tuple((str(kind), int(count)) for kind, count in values.get("refused", ()))
    values["recalled"] = tuple(values.get("recalled", ()))
    values["forgotten"] = tuple(values.get("forgotten", ()))
    values["notices"] = tuple(values.get("notices", ()))
    return Receipt(**values)


def turn_ranges(turns: Iterable[int]) -> tuple[TurnRange, ...]:
    """Fold turn numbers into ranges. Example: 1, 2, 3, 5 → ((1, 3), (5, 5))."""
    ranges: list[TurnRange] = []
    found = set(turns)
    if found and max(found) - min(found) == len(found) - 1:
        return ((min(found), max(found)),)
    for turn in sorted(found):
        if ranges and turn == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], turn)
        else:
            ranges.append((turn, turn))
    return tuple(ranges)


def merge_ranges(ranges: Sequence[TurnRange]) -> tuple[TurnRange, ...]:
    """Join ranges that touch. Example: (1, 3), (4, 6) → ((1, 6),)."""
    joined: list[TurnRange] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)
