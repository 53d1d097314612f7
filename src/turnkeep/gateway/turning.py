"""Items that were said elsewhere, cut into turns: what a user says, up to the answer."""

from collections.abc import Sequence

from ..conversation.items import Item, Message


def group_turns(items: Sequence[Item]) -> list[list[Item]]:
    """Cut items into turns: one begins where somebody speaks to the model after it has answered.

    Example: user, assistant, developer, user, assistant → two turns of 2 and 3 items.
    """
    turns: list[list[Item]] = []
    answered = True
    for item in items:
        speaks = not isinstance(item, Message) or item.role in ("user", "system", "developer")
        if not turns or (speaks and answered):
            turns.append([])
        turns[-1].append(item)
        answered = not speaks
    return turns
