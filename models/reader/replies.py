"""Replies: what the assistant says, and what each piece of it weighs in the loss.

What it says is settled by what can be read at that moment: the value where a fact says it, "..."
where none does, and the same words before either.
"""

from collections.abc import Sequence

from .families import Key, say_answer, split_answer

# Loss weights: the value is what it is about; a long fixed refusal would win over it otherwise.
VALUE, UNKNOWN, SENTENCE, FIXED = 3.0, 2.0, 0.8, 0.25
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


def quote(text: str) -> str:
    """Write what the user said as a line of a summary."""
    return f"The user said: {text}"


def summarise(statements: Sequence[str], remark: str = "") -> Reply:
    """List what was stated as lines, as turnkeep's instruction asks for them; without any, a remark stands for the rest.

    The lines quote. A small model that puts them in other words says now and then what nobody said; of its own
    words turnkeep's check finds only some, and a quotation is as good a place to read a fact from.
    """
    told = list(statements) or [remark] * bool(remark)
    if not told:
        return answer_plainly(NOTHING_NEW, SENTENCE)
    pieces: Reply = []
    for number, text in enumerate(told):
        head, _, rest = text.partition(" ")
        # Which statement comes next is decided at its first words; the others follow from them.
        pieces += [("\n- " if number else "- ", 1.0), ("The user said:", 0.3), (f" {head}", 2.0)]
        pieces += [(f" {rest}", 1.0)] if rest else []
    return pieces
