"""Replies: what the assistant says, and what each piece of it weighs in the loss.

What it says is settled by what can be read at that moment: the value where a fact says it, "..."
where none does, and the same words before either.
"""

from collections.abc import Sequence

from .families import Key, say_answer, split_answer
from .talk import NOTED

# Loss weights: the value is what it is about; a long fixed refusal would win over it otherwise.
VALUE, UNKNOWN, SENTENCE, FIXED = 3.0, 2.5, 0.8, 0.25
RESTATED, LINE = 1.5, 2.0  # a value that stands one message back; the words of a line that choose the fact
NOT_TOLD = " I don't know. You haven't told me that."
NOTHING_NEW = "Nothing new."

Piece = tuple[str, float]  # text, loss weight
Reply = list[Piece]


def answer_value(key: Key, value: str) -> Reply:
    """Answer with the value. Example: "Your dog is called Biscuit."."""
    before = split_answer(key)
    whole = say_answer(key, value)
    end = len(before) + 1 + len(value)
    return [(before, SENTENCE), (whole[len(before) : end], VALUE), (whole[end:], SENTENCE)]


def answer_unknown(key: Key) -> Reply:
    """Answer that it was not told; where the value would stand, since the decision is the same look-up."""
    return [(split_answer(key), SENTENCE), (" ...", UNKNOWN), (NOT_TOLD, FIXED)]


def answer_plainly(text: str, weight: float = FIXED) -> Reply:
    """Answer with a fixed sentence."""
    return [(text, weight)]


def acknowledge(told: Sequence[tuple[Key, str]]) -> Reply:
    """Say of each fact what was understood, in the one way in which it is answered later.

    So wordings are understood where the words stand, and whatever comes later (an answer, a line of a
    summary, the lack of a fact) is a look-up of one pattern, however far back. The person sees
    what was understood, too. Example: "Got it. Your dog is called Biscuit."
    """
    reply: Reply = [(NOTED, FIXED)]
    for key, value in told:
        before, whole = split_answer(key), say_answer(key, value)
        end = len(before) + 1 + len(value)
        reply += [(f" {before}", 1.0), (whole[len(before) : end], RESTATED), (whole[end:], SENTENCE)]
    return reply


def quote(text: str) -> str:
    """Write what the user said as a line of a summary."""
    return f"The user said: {text}"


def summarise(told: Sequence[tuple[Key, str]]) -> Reply:
    """List what was told as lines, in the order of telling, as turnkeep's instruction asks for them."""
    if not told:
        return answer_plainly(NOTHING_NEW, SENTENCE)
    pieces: Reply = []
    for number, (key, value) in enumerate(told):
        before, whole = split_answer(key, "line"), say_answer(key, value, "line")
        end = len(before) + 1 + len(value)
        # Which fact comes next is decided before its value; the value follows from that.
        pieces += [("\n- " if number else "- ", 1.0), (before, LINE)]
        pieces += [(whole[len(before) : end], RESTATED), (whole[end:], SENTENCE)]
    return pieces
