"""Cut a tree of messages into turns.

Other programs hang message on message; here, a turn is the user's words and all that follows
up to the next words of the user. Where an answer was made twice, there are two turns with the
same words, side by side.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..conversation.items import Message
from .imported import ImportedTurn, Unreadable

# Each branch within a turn is a turn with all that came before it there: what a person has made stays below this.
_MOST_COPIES, _FEW = 20, 100_000  # items for each node, and of small files
UNHUNG = "messages that hang on none other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A place in the tree. `messages` empty: nothing was said there, and what hangs on it hangs on its parent."""

    parent: str | None
    messages: Sequence[Message]
    created: float | None
    model: str = ""


def cut_turns(
    nodes: Mapping[str, Node], current: str | None, begin: float, left_out: Counter[str]
) -> list[ImportedTurn]:
    """Cut the tree into turns, in the order of asking.

    Args:
        nodes: by their ids, in the order of the file.
        current: the node that the conversation stands at; None: the newest.
        begin: time of nodes that say none, and hang on none that do.
        left_out: counts the messages that could not be placed.
    """
    return _Cutter(nodes, begin).cut(current, left_out)


class _Cutter:
    def __init__(self, nodes: Mapping[str, Node], begin: float) -> None:
        self._nodes = nodes
        self._begin = begin
        self._climbed: dict[str, tuple[bool, str | None]] = {}
        self._copied = 0  # items of turns so far
        self._parents = {key: self._said_before(key) for key, node in nodes.items() if node.messages}
        self._children: dict[str | None, list[str]] = defaultdict(list)
        for key, parent in self._parents.items():
            self._children[parent].append(key)
        self._times: dict[str, float] = {}

    def _said_before(self, key: str) -> str | None:
        """The nearest node above in which something was said; who hangs on a ring hangs on itself, and is never reached."""
        ended, found = self._climb(self._nodes[key].parent)
        return found if ended else key

    def _climb(self, place: str | None) -> tuple[bool, str | None]:
        """Where something was said, from here up, None: nowhere; and whether the way ends. It is gone once."""
        passed: dict[str, None] = {}
        while place is not None and place in self._nodes and not self._nodes[place].messages:
            if place in passed or place in self._climbed:
                found = self._climbed.get(place, (False, None))
                break
            passed[place] = None
            place = self._nodes[place].parent
        else:
            found = (True, place if place in self._nodes else None)
        self._climbed.update(dict.fromkeys(passed, found))
        return found

    def _starts(self, key: str) -> bool:
        parent = self._parents[key]
        if parent is None:
            return True
        return self._nodes[key].messages[0].role == "user" and self._nodes[parent].messages[-1].role != "user"

    def _ends(self, key: str) -> bool:
        children = self._children.get(key, [])
        return not children or any(self._starts(child) for child in children)

    def cut(self, current: str | None, left_out: Counter[str]) -> list[ImportedTurn]:
        order = {key: place for place, key in enumerate(self._nodes)}
        ended: dict[str, int] = {}
        turns: list[ImportedTurn] = []
        waiting = [self._entry(key, order) for key in self._children.get(None, [])]
        heapq.heapify(waiting)
        while waiting:
            _, _, key = heapq.heappop(waiting)
            if self._ends(key):
                ended[key] = len(turns)
                turns.append(self._turn(key, ended))
            for child in self._children.get(key, []):
                heapq.heappush(waiting, self._entry(child, order))
        if unhung := len(self._parents) - len(self._times):
            left_out[UNHUNG] += unhung
        at = self._tip(current, ended)
        return [
            turn if place != at else ImportedTurn(
                after=turn.after, items=turn.items, model=turn.model, current=True
            )
            for place, turn in enumerate(turns)
        ]  # fmt: skip

    def _entry(self, key: str, order: Mapping[str, int]) -> tuple[float, int, str]:
        """What a node waits by: its time, its parent's where it says none; then its place in the file."""
        parent, created = self._parents[key], self._nodes[key].created
        before = self._begin if parent is None else self._times[parent]
        self._times[key] = before if created is None else created
        return self._times[key], order[key], key

    def _turn(self, end: str, ended: Mapping[str, int]) -> ImportedTurn:
        path = list(self._path_to(end))
        self._copied += len(path)
        if self._copied > _MOST_COPIES * len(self._nodes) + _FEW:
            raise Unreadable("it has too many long branches")
        start = path[-1]
        before = self._parents[start]
        models = (self._nodes[key].model for key in path if self._nodes[key].model)
        items = tuple(
            (message, self._times[key]) for key in reversed(path) for message in self._nodes[key].messages
        )
        return ImportedTurn(
            after=None if before is None else ended[before], items=items, model=next(models, "")
        )

    def _path_to(self, end: str) -> Iterator[str]:
        """The nodes of the turn that ends here, the last one first."""
        key: str | None = end
        while key is not None:
            yield key
            if self._starts(key):
                return
            key = self._parents[key]

    def _tip(self, current: str | None, ended: Mapping[str, int]) -> int | None:
        if current is None or current not in self._nodes:
            return len(ended) - 1
        key = current if self._nodes[current].messages else self._said_before(current)
        while key is not None and key in self._times and key not in ended:
            key = self._children[key][-1]
        return None if key is None else ended.get(key, len(ended) - 1)
