"""Replies: what the assistant says, and what each piece of it weighs in the loss.

What it says is settled by what can be read at that moment: the value where a fact says it, "..."
where none does, and the same words before either.
"""

from collections.abc import Sequence

from .families import Key, say_answer, split_answer

# Loss weights: the value is what it is about; a long fixed refusal would win over it otherwise.
VALUE, SENTENCE, FIXED = 3.0, 0.8, 0.25
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
    return [(split_answer(key), SENTENCE), (" ...", VALUE), (NOT_TOLD, FIXED)]


def answer_plainly(text: str, weight: float = FIXED) -> Reply:
    """Answer with a fixed sentence."""
    return [(text, weight)]


def summarise(facts: Sequence[tuple[Key, str]], remark: str = "") -> Reply:
    """List facts as lines, as turnkeep's instruction asks for them; without any, the first remark stands for the rest."""
    if not facts:
        return (
            [("- The user said:", SENTENCE), (f" {remark}", 1.0)]
            if remark
            else answer_plainly(NOTHING_NEW, SENTENCE)
        )
    pieces: Reply = []
    for number, (key, value) in enumerate(facts):
        line = say_answer(key, value, "line")
        before = say_answer(key, "\0", "line").partition("\0")[0].rstrip()
        end = len(before) + 1 + len(value)
        pieces += [
            ("\n- " if number else "- ", 1.5),
            (before, 1.5),
            (line[len(before) : end], 2.0),
            (line[end:], SENTENCE),
        ]
    return pieces
