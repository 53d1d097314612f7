"""Inline Markdown as it streams in: emphasis, code and links of one line, without seeing its end.

What has been written to the scrollback cannot be taken back, so a mark is held until its
partner has come, or until it cannot be one any more. Pure: text in, styled text out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Look: TypeAlias = Literal["bold", "italic", "strike", "code", "link", "url"]
Styled: TypeAlias = tuple[str, frozenset[Look]]

# Characters held for a partner. Longer than nearly all emphasis, shorter than a reader's patience.
HOLD = 160

_MARK = re.compile(r"[\\`*_~\[]")
_LINK = re.compile(r'\[([^\[\]]*)\]\(([^()\s]*(?:\([^()\s]*\))?[^()\s]*)(?:\s+"[^"]*")?\)')
_LINK_BEGUN = re.compile(r"\[[^\[\]]*(\](\([^()]*(\([^()]*\)?[^()]*)?)?)?$")
_LOOKS: dict[tuple[str, int], frozenset[Look]] = {
    ("*", 1): frozenset({"italic"}),
    ("_", 1): frozenset({"italic"}),
    ("*", 2): frozenset({"bold"}),
    ("_", 2): frozenset({"bold"}),
    ("*", 3): frozenset({"bold", "italic"}),
    ("_", 3): frozenset({"bold", "italic"}),
    ("~", 2): frozenset({"strike"}),
}


@dataclass(slots=True)
class InlineStream:
    """Reads one line piece by piece."""

    _held: str = ""
    _before: str = " "  # the character before `_held`
    _open: list[tuple[str, int]] = field(default_factory=list)

    def feed(self, text: str) -> Iterator[Styled]:
        """Take more of the line; yield what is decided."""
        self._held += text
        yield from self._scan(final=False)

    def finish(self) -> Iterator[Styled]:
        """The line ends: yield the rest, marks without a partner as they stand."""
        yield from self._scan(final=True)
        self._open.clear()
        self._before = " "

    def _scan(self, *, final: bool) -> Iterator[Styled]:
        while self._held:
            found = _MARK.search(self._held)
            if found is None:
                yield self._take(len(self._held))
                return
            if found.start():
                yield self._take(found.start())
            step = self._read_mark(final=final)
            if step is None:
                return
            yield from step

    def _take(self, length: int, *, skip: int = 0, looks: frozenset[Look] = frozenset()) -> Styled:
        """Take `length` characters, the first `skip` of them being marks that are not shown."""
        taken, self._held = self._held[:length], self._held[length:]
        self._before = taken[-1:] or self._before
        return taken[skip:], self._looks() | looks

    def _looks(self) -> frozenset[Look]:
        return frozenset[Look]().union(*(_LOOKS[mark] for mark in self._open))

    def _read_mark(self, *, final: bool) -> list[Styled] | None:
        """Read the mark at the front of what is held; None to wait for more."""
        match self._held[0]:
            case "\\":
                return self._read_escape(final=final)
            case "`":
                return self._read_code(final=final)
            case "[":
                return self._read_link(final=final)
            case mark:
                return self._read_emphasis(mark, final=final)

    def _read_escape(self, *, final: bool) -> list[Styled] | None:
        if len(self._held) == 1:
            return [self._take(1)] if final else None
        escaped = self._held[1] in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
        return [self._take(2, skip=1)] if escaped else [self._take(1)]

    def _read_code(self, *, final: bool) -> list[Styled] | None:
        run = _run(self._held)
        if run == len(self._held) and not final:
            return None
        closing = re.search(rf"(?<!`)`{{{run}}}(?!`)", self._held[run:])
        # A closing run at the very end may still grow.
        if closing and (final or run + closing.end() < len(self._held)):
            code = self._held[run : run + closing.start()]
            self._take(run + closing.end())
            padded = len(code) > 2 and code[0] == code[-1] == " " and code.strip()
            return [(code[1:-1] if padded else code, self._looks() | {"code"})]
        return self._give_up(run, final=final)

    def _read_link(self, *, final: bool) -> list[Styled] | None:
        if found := _LINK.match(self._held):
            looks = self._looks()
            self._take(found.end())
            label, url = found[1] or found[2], found[2]
            shown: list[Styled] = [(label, looks | {"link"})]
            return shown if label == url else [*shown, (f" ({url})", looks | {"url"})]
        return self._give_up(1, final=final or not _LINK_BEGUN.match(self._held))

    def _read_emphasis(self, mark: str, *, final: bool) -> list[Styled] | None:
        run = _run(self._held)
        if run == len(self._held) and not final:
            return None
        after = self._held[run : run + 1] or " "
        if self._open and self._open[-1][0] == mark and _may_close(mark, self._before, after):
            return self._close(mark, run)
        if (mark, run) not in _LOOKS or not _may_open(mark, run, self._before, after):
            return [self._take(run)]
        known = self._held if final else self._held.rstrip(mark)  # a last run may still grow or be followed
        long_bold = run == 2 and not final and len(self._held) > HOLD
        if long_bold or _has_closer(self._held, len(known), mark, run):
            self._take(run)
            self._open.append((mark, run))
            return []
        return self._give_up(run, final=final)

    def _close(self, mark: str, run: int) -> list[Styled]:
        left = run
        while left and self._open and self._open[-1][0] == mark and self._open[-1][1] <= left:
            left -= self._open.pop()[1]
        self._take(run - left)
        return [self._take(left)] if left else []

    def _give_up(self, length: int, *, final: bool) -> list[Styled] | None:
        """Show the mark as it stands if its partner cannot come any more, or has not come for long."""
        return [self._take(length)] if final or len(self._held) > HOLD else None


def _run(text: str) -> int:
    return len(text) - len(text.lstrip(text[0]))


def _may_open(mark: str, run: int, before: str, after: str) -> bool:
    """Left-flanking (CommonMark 0.31, section 6.2), but 2*3*4 stays a product."""
    if after.isspace():
        return False
    if mark == "_":
        return not before.isalnum()
    return run > 1 or not (before.isalnum() and before.isascii())


def _may_close(mark: str, before: str, after: str) -> bool:
    """Right-flanking (CommonMark 0.31, section 6.2)."""
    return not before.isspace() and not (mark == "_" and after.isalnum())


def _has_closer(text: str, known: int, mark: str, run: int) -> bool:
    """Tell whether a run that can close the first `run` marks stands in the first `known` characters."""
    for found in re.finditer(rf"{re.escape(mark)}+", text[run:known]):
        start, end = run + found.start(), run + found.end()
        after = text[end : end + 1] or " "
        if end - start >= run and _may_close(mark, text[start - 1], after):
            return True
    return False
