"""Restore the lines of an earlier summary: they stand where the present ones stood.

What was folded since then keeps its present lines; cut, facts and what counts as summarised stay.

Pure: the turn of the earlier cut is given.
"""

from dataclasses import replace

from .view import View


def restore_lines(view: View, earlier: View, *, last_turn: int) -> View:
    """Make the view in which the lines of an earlier one stand.

    Args:
        view: the present one.
        earlier: the one whose lines come back; those that were withdrawn since are left out already.
        last_turn: the last turn that the earlier one had folded.
    """
    back = {line.text for line in earlier.lines}
    since = [line for line in view.lines if line.turns[0] > last_turn and line.text not in back]
    lines = sorted([*earlier.lines, *since], key=lambda line: line.turns)
    return replace(view, number=None, lines=tuple(lines), refused=(), restored_over=view.number)
