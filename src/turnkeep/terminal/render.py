"""A reply as it streams in, as Markdown, into the normal scrollback.

Written once and never again: every line is decided from its own beginning, inline marks
are held until they are paired (inline.py), and a table or a line of code is written when it is
whole. So there is nothing to redraw: no flicker, no line eaten, and resizing costs nothing.
A newline stays a newline, as in most chat programs, because verses and addresses mean it.
"""

import re
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

from .inline import InlineStream, Look
from .layout import Layout
from .screen import Signs, hold_return, printable

if TYPE_CHECKING:
    from rich.console import Console

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})\s*([^`\n]*)$")
_RULE = re.compile(r"^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$|^=+\s*$")
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+")
_QUOTE = re.compile(r"^ {0,3}>[ ]?")
_BULLET = re.compile(r"^([ \t]*)([-*+])[ \t]+(\[[ xX]\][ \t]+)?")
_NUMBER = re.compile(r"^([ \t]*)(\d{1,9}[.)])[ \t]+")
# A beginning of a line that further characters can still turn into one of the above.
_UNDECIDED = re.compile(
    r"^(?: {0,3}> ?)*\s*(#{0,6}|[-*+_ \t]*|[-*+][ \t]+\[?[ xX]?\]?[ \t]*|\d{1,9}[.)]?[ \t]*|=+)$"
)
_WHOLE = re.compile(r"^\s*(```|~~~|\||`{1,2}$|~{1,2}$)")  # lines that are read when they are whole
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")

_LOOKS: dict[Look, Style] = {
    "bold": Style(bold=True),
    "italic": Style(italic=True),
    "strike": Style(strike=True),
    "code": Style(color="cyan"),
    "link": Style(underline=True),
    "url": Style(dim=True),
}
_HEADINGS = (Style(bold=True, underline=True), Style(bold=True), Style(bold=True, italic=True))
CODE_CONTEXT = 50  # lines of a code block that are read again to colour its next line


class MarkdownPrinter:
    """Prints one reply."""

    def __init__(self, console: "Console", signs: Signs) -> None:
        self._console = console
        self._signs = signs
        self._layout = Layout(console)
        self._inline = InlineStream()
        self._end = ""  # a carriage return that may belong to a line end
        self._line = ""  # the current line as far as it is not decided
        self._running = False  # whether the current line is decided and streams
        self._base = Style()
        self._code: CodeBlock | None = None
        self._table: list[str] = []
        self._blank = True  # whether the last line was blank (or there is none yet)

    def feed(self, text: str) -> None:
        """Print more of the reply."""
        text, self._end = hold_return(self._end + text)
        *whole, rest = printable(text).split("\n")
        for line in whole:
            self._add(line)
            self._end_line()
        if rest:
            self._add(rest)

    def finish(self) -> None:
        """Print what is held; the cursor then stands at the start of a line."""
        if self._end:
            self._add(printable(self._end))
        if self._line or self._running:
            self._end_line()
        self._end_table()
        if self._code:
            self._code = None
            self._print_rule("")

    def _add(self, text: str) -> None:
        if self._running:
            self._put(text, final=False)
            return
        self._line += text
        waits = self._code or _WHOLE.match(self._line) or _UNDECIDED.match(self._line)
        if not waits:
            self._open()

    def _open(self) -> None:
        """The kind of the line is known: write its beginning, and let the rest stream."""
        self._end_table()
        first, indent, base, rest = self._read_beginning(self._line)
        self._line, self._running, self._base, self._blank = "", True, base, False
        self._layout.open_line(first, indent)
        self._put(rest, final=False)

    def _read_beginning(self, line: str) -> tuple[Text, Text, Style, str]:
        """Split a line into what stands before it, before its further lines, its style, and its text."""
        first, indent, base = Text(), Text(), Style()
        while found := _QUOTE.match(line):
            mark = Text(f"{self._signs.quote} ", Style(dim=True))
            first, indent, line = first + mark, indent + mark, line[found.end() :]
        if found := _HEADING.match(line):
            level = min(len(found[1]), len(_HEADINGS)) - 1
            return first, indent, _HEADINGS[level], line[found.end() :]
        if found := _BULLET.match(line) or _NUMBER.match(line):
            mark = Text(self._indentation(found[1]) + self._item_mark(found) + " ")
            return first + mark, indent + Text(" " * mark.cell_len), base, line[found.end() :]
        stripped = line.lstrip(" \t")
        space = Text(self._indentation(line[: len(line) - len(stripped)]))
        return first + space, indent + space, base, stripped

    def _indentation(self, spaces: str) -> str:
        """Indent as the source does, but leave half of a narrow terminal to the text."""
        return " " * min(len(spaces.expandtabs(4)), self._console.width // 2 // 2 * 2)

    def _item_mark(self, found: "re.Match[str]") -> str:
        if found[2][0].isdigit():
            return found[2]
        if not found[3]:
            return self._signs.bullet
        return self._signs.open_box if found[3][1] == " " else self._signs.ticked_box

    def _put(self, text: str, *, final: bool) -> None:
        pieces = list(self._inline.feed(text)) + (list(self._inline.finish()) if final else [])
        for piece, looks in pieces:
            shown = f"`{piece}`" if "code" in looks and self._console.no_color else piece
            self._layout.put(shown, self._base + _style(looks))

    def _end_line(self) -> None:
        if self._running:
            self._close_line()
        elif self._code:
            self._end_code_line()
        elif fence := _FENCE.match(self._line):
            self._end_table()
            self._code = CodeBlock(fence[1], fence[2].strip())
            self._print_rule(self._code.language)
        elif self._line.lstrip().startswith("|"):
            self._table.append(self._line)
        elif not self._line.strip():
            self._end_table()
            self._print_blank()
        elif _RULE.match(self._line):
            self._end_table()
            self._print_rule("")
        else:
            self._open()
            self._close_line()
        self._line = ""

    def _close_line(self) -> None:
        self._put("", final=True)
        self._layout.close_line()
        self._running = False

    def _print_blank(self) -> None:
        """Blank lines part paragraphs; several part them no more than one."""
        if not self._blank:
            self._layout.close_line()
        self._blank = True

    def _print_rule(self, label: str) -> None:
        width = self._console.width
        label = f" {label}"[: max(0, width - 3)] if label else ""
        rule = self._signs.rule * (min(width, 40) - len(label) if len(label) < 40 else 2)
        self._layout.put_line(Text(rule + label, Style(dim=True)))
        self._blank = False

    def _end_code_line(self) -> None:
        assert self._code
        if self._code.is_end(self._line):
            self._code = None
            self._print_rule("")
        else:
            self._layout.put_line(self._code.colour(self._line))

    def _end_table(self) -> None:
        """Print the table that has been read, now that it is whole."""
        lines, self._table = self._table, []
        if len(lines) > 1 and _TABLE_RULE.match(lines[1]):
            from .table import print_table  # most replies have none

            print_table(self._console, [_read_row(line) for line in (lines[0], *lines[2:])])
            self._blank = False
            return
        for line in lines:
            self._layout.open_line(Text(), Text())
            self._put(line, final=True)
            self._layout.close_line()


class CodeBlock:
    """A fenced block: where it ends, and how its lines are coloured."""

    def __init__(self, fence: str, info: str) -> None:
        self._fence = fence
        self.language = info.split()[0] if info else ""
        self._lines: list[str] = []

    def is_end(self, line: str) -> bool:
        """Tell whether the line closes the block: as many of the same marks, and nothing else."""
        marks = line.strip()
        return len(marks) >= len(self._fence) and set(marks) == {self._fence[0]}

    def colour(self, line: str) -> Text:
        """Colour a line in the light of the ones before it."""
        if not self.language:
            return Text(line)
        from rich.syntax import Syntax  # brings Pygments, which only code needs

        self._lines = [*self._lines[-CODE_CONTEXT:], line]
        syntax = Syntax("", self.language, theme="ansi_dark", background_color="default")
        coloured = syntax.highlight("\n".join(self._lines)).split("\n", allow_blank=True)
        return coloured[len(self._lines) - 1]


class PlainPrinter:
    """Prints a reply as it stands, for terminals that cannot show styles."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._at_start = True
        self._end = ""

    def feed(self, text: str) -> None:
        """Print more of the reply."""
        text, self._end = hold_return(self._end + text)
        self._print(text)

    def _print(self, text: str) -> None:
        shown = printable(text)
        if shown:
            self._console.print(Text(shown), end="", soft_wrap=True)
            self._at_start = shown.endswith("\n")

    def finish(self) -> None:
        """End the line."""
        self._print(self._end)
        if not self._at_start:
            self._console.print()


Printer = MarkdownPrinter | PlainPrinter


def make_printer(console: "Console", signs: Signs) -> Printer:
    """Choose how replies are printed on this console."""
    return PlainPrinter(console) if console.is_dumb_terminal else MarkdownPrinter(console, signs)


def _style(looks: frozenset[Look]) -> Style:
    return Style.combine([Style(), *(_LOOKS[look] for look in sorted(looks))])


def _read_row(line: str) -> list[Text]:
    """Split a table row at its bars, and read the marks in its cells."""
    cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|"))
    if cells and not cells[-1].strip():
        cells.pop()
    return [_read_cell(cell.strip()) for cell in cells]


def _read_cell(source: str) -> Text:
    stream, cell = InlineStream(), Text()
    for piece, looks in [*stream.feed(source), *stream.finish()]:
        cell.append(piece, _style(looks))
    return cell
