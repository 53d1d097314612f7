"""Does the input of a request fit alone? Asked before anything of it is kept.

Compaction makes room in what was said before; what is said now must fit by itself.
"""

from collections.abc import Sequence

from ..conversation.items import Image, Item, Message
from ..engine.base import EngineInfo
from ..errors import ContextOverflow
from ..meter import item_text
from ..prompt import Desk, Options

IMAGE_TOKENS_MOST = 2_048  # of one picture; common vision models take 256 to 1,600
FRAME_TOKENS = 16  # that a template puts around a message, at most
SURE_SHARE = 8  # what takes at most an eighth of the window fits beside reserve and base, whatever they are
MARGIN = 0.95  # of the room, where the oldest items have to go: sizes do not add up to the token


def bound_tokens(items: Sequence[Item], instructions: str = "") -> int:
    """Tokens that items take at most: no tokenizer makes more than one of a byte."""
    texts = sum(
        len(text) if text.isascii() else len(text.encode(errors="replace")) for text in map(item_text, items)
    )
    images = sum(
        isinstance(part, Image) for item in items if isinstance(item, Message) for part in item.parts
    )
    frames = FRAME_TOKENS * (len(items) + 1)
    return texts + len(instructions.encode(errors="replace")) + IMAGE_TOKENS_MOST * images + frames


def surely_fits(info: EngineInfo, items: Sequence[Item], instructions: str = "") -> bool:
    """Whether items fit so well that nobody need count them."""
    return bound_tokens(items, instructions) <= info.window // SURE_SHARE


async def fit_input(
    desk: Desk, options: Options, items: Sequence[Item], *, auto: bool, instructions: str = ""
) -> list[Item]:
    """Return the input as far as it fits the window by itself.

    Args:
        desk: counts.
        options: how the request is made.
        items: the input, oldest first.
        auto: leave out the oldest items where it does not fit.
        instructions: what must stand before it.

    Raises:
        ContextOverflow: it does not fit; with `auto`, its last item alone does not.
    """
    info = await desk.engine.probe()
    if surely_fits(info, items, instructions):
        return list(items)
    budget = await desk.share(info, options)
    room = budget.prompt - await desk.meter.text_size(info, instructions)
    sizes = [await desk.meter.text_size(info, item_text(item)) for item in items]
    if sum(sizes) <= room:
        return list(items)
    first = _first_that_fits(items, sizes, int(room * MARGIN)) if auto else len(items)
    if first == len(items):
        needed = sizes[-1] if auto else sum(sizes)
        raise ContextOverflow(
            f"The input takes {needed:,} tokens, but the context window has room for {max(room, 0):,}: shorten it"
            + ("." if auto else ', or send "truncation": "auto" to have its oldest items left out.'),
            needed=needed,
            available=max(room, 0),
        )
    return list(items[first:])


def _first_that_fits(items: Sequence[Item], sizes: Sequence[int], room: int) -> int:
    """The oldest item from which on all fit: one of the user's, as templates want, so that no result is parted from its call."""
    first, total = len(items), 0
    while first > 0 and total + sizes[first - 1] <= room:
        first -= 1
        total += sizes[first]
    while 0 < first < len(items) and not _is_users(items[first]):
        first += 1
    return first


def drop_oldest(items: Sequence[Item]) -> list[Item]:
    """Leave out the oldest items, up to the next of the user's; nothing is left when there is none."""
    first = next((place for place, item in enumerate(items) if place and _is_users(item)), len(items))
    return list(items[first:])


def _is_users(item: Item) -> bool:
    return isinstance(item, Message) and item.role == "user"
