"""Wrap styled text at words as it streams, to the width the terminal has at that moment.

Only the word in progress is held, so nothing written is ever taken back and no cursor is moved:
a narrow, resized or slow terminal cannot lose a line.
"""

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

JOINER = "\u200d"  # binds the emoji around it into one sign


class Layout:
    """Writes words to a console, breaking lines under an indentation."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._column = 0  # cells written on the current line
        self._indent = Text()  # stands before the further lines of a paragraph
        self._spaces = 0  # between what is written and the word in progress
        self._word: list[tuple[str, Style]] = []  # the word in progress, by style
        self._width = 0  # its cells
        self._last = ""  # its last character

    @property
    def at_start(self) -> bool:
        """Whether nothing stands on the current line, written or held."""
        return self._column == 0 and not self._word

    def open_line(self, first: Text, indent: Text) -> None:
        """Begin a line with `first`; if it has to be broken, its further lines begin with `indent`."""
        self._emit(first)
        self._indent = indent

    def put(self, text: str, style: Style) -> None:
        """Add text to the line."""
        for char in text:
            if char in " \t":
                self._flush()
                self._spaces += 1
            else:
                self._put_char(char, style)

    def close_line(self) -> None:
        """Write what is held and end the line."""
        self._flush()
        self._spaces = 0
        self._indent = Text()
        self._write(Text("\n"))
        self._column = 0

    def put_line(self, line: Text) -> None:
        """Write a whole line as it is; the terminal breaks it, so that it is copied in one piece."""
        self._write(line + Text("\n"))

    def _put_char(self, char: str, style: Style) -> None:
        width = cell_len(char)
        glued = width == 0 or self._last == JOINER
        # Chinese, Japanese and emoji may be broken anywhere; a joined or combined sign nowhere.
        if self._word and not glued and (width == 2 or cell_len(self._last) == 2):
            self._flush()
        if not glued and self._width + width > max(1, self._console.width - self._indent.cell_len):
            self._flush()  # longer than a line: broken where the line ends
        if self._word and self._word[-1][1] == style:
            self._word[-1] = (self._word[-1][0] + char, style)
        else:
            self._word.append((char, style))
        self._width += width
        self._last = char

    def _flush(self) -> None:
        """Write the word in progress, on the next line where it does not fit on this one."""
        if not self._word:
            return
        word = Text.assemble(*self._word)
        if self._column and self._column + self._spaces + word.cell_len > self._console.width:
            self._write(Text("\n"))
            self._column = 0
            self._spaces = 0
            self._emit(self._indent)
        self._emit(Text(" " * self._spaces) + word)
        self._word, self._width, self._last, self._spaces = [], 0, "", 0

    def _emit(self, text: Text) -> None:
        self._column += text.cell_len
        self._write(text)

    def _write(self, text: Text) -> None:
        if text:
            self._console.print(text, end="", soft_wrap=True)
