import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from turnkeep.terminal.render import PlainPrinter, make_printer
from turnkeep.terminal.screen import ASCII, UNICODE

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def show(source: str, width: int = 40, size: int | None = None, *, colour: bool = False) -> str:
    """Print a reply in pieces of `size` and return what was written."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=True, color_system="truecolor" if colour else None,
        no_color=not colour, highlight=False, legacy_windows=False, _environ={"TERM": "xterm"},
    )  # fmt: skip
    printer = make_printer(console, UNICODE)
    for start in range(0, len(source), size or max(1, len(source))):
        printer.feed(source[start : start + (size or len(source))])
    printer.finish()
    return file.getvalue()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("", ""),
        ("one line", "one line\n"),
        ("one line\n", "one line\n"),
        ("a\nb", "a\nb\n"),
        ("a\r\nb", "a\nb\n"),
        ("a\n\n\n\nb", "a\n\nb\n"),
        ("\n\na", "a\n"),
        ("# Title\ntext", "Title\ntext\n"),
        ("###### Deep", "Deep\n"),
        ("#hashtag", "#hashtag\n"),
        ("- one\n* two\n+ three", "• one\n• two\n• three\n"),
        ("- [ ] open\n- [x] done", "☐ open\n☑ done\n"),
        ("1. one\n20) two", "1. one\n20) two\n"),
        ("- a\n  - b", "• a\n  • b\n"),
        ("-5 degrees", "-5 degrees\n"),
        ("3.14 is pi", "3.14 is pi\n"),
        ("2024", "2024\n"),
        ("> said\n>> twice", "│ said\n│ │ twice\n"),
        ("> - a", "│ • a\n"),
        (">- a\n> [x]", "│ • a\n│ [x]\n"),
        ("1. a\n   ```\n   x\n   ```", "1. a\n" + "─" * 40 + "\n   x\n" + "─" * 40 + "\n"),
        ("---", "─" * 40 + "\n"),
        ("* * *", "─" * 40 + "\n"),
        ("Title\n=====", "Title\n" + "─" * 40 + "\n"),
        ("**a**: b", "a: b\n"),
        ("*a* b", "a b\n"),
        ("`a` b", "`a` b\n"),
        ("```\nx = **1**\n\n  y\n```\nz", "─" * 40 + "\nx = **1**\n\n  y\n" + "─" * 40 + "\nz\n"),
        ("~~~\n```\n~~~", "─" * 40 + "\n```\n" + "─" * 40 + "\n"),
        ("````\n```\n````", "─" * 40 + "\n```\n" + "─" * 40 + "\n"),
        ("```py\na", "─" * 37 + " py\na\n" + "─" * 40 + "\n"),
        ("| not a table", "| not a table\n"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a   b\n─────\n1   2\n"),
        ("| a |\n|:-:|\n| `x \\| y` |\ntext", "a\n──────\nx \\| y\ntext\n"),
    ],
)
def test_markdown_is_rendered(source: str, shown: str) -> None:
    written = "\n".join(line.rstrip() for line in show(source).split("\n"))
    assert written == shown
    assert show(source, size=1) == show(source), "the same, letter by letter"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("the quick brown fox", "the quick\nbrown fox\n"),
        ("- the quick brown", "• the\n  quick\n  brown\n"),
        ("> the quick brown", "│ the\n│ quick\n│ brown\n"),
        ("abcdefghijklmno", "abcdefghij\nklmno\n"),
        ("你好世界你好世界", "你好世界你\n好世界\n"),
        ("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", None),
        ("a  b", "a  b\n"),
        ("exactly te n", "exactly te\nn\n"),
        ("                         - deep", "    • deep\n"),
    ],
)
def test_lines_are_broken_at_words(source: str, shown: str | None) -> None:
    written = show(source, width=10)
    if shown is not None:
        assert written == shown
    assert source.split()[-1][:1] in written
    assert show(source, width=10, size=1) == written


@given(
    st.lists(
        st.sampled_from(
            [
                "word ",
                "**b** ",
                "`c` ",
                "\n",
                "\n\n",
                "- ",
                "1. ",
                "# ",
                "> ",
                "长句子",
                "verylongwordindeed ",
            ]
        )
    ),
    st.integers(20, 60),
    st.integers(1, 9),
)
def test_no_line_is_wider_than_the_terminal(parts: list[str], width: int, size: int) -> None:
    written = show("".join(parts), width=width, size=size)
    assert all(cell_len(line) <= width for line in written.split("\n"))


@given(st.text(alphabet="ab #->|`*_~1.\n", max_size=80), st.integers(1, 9))
def test_a_reply_is_shown_the_same_however_it_is_cut(source: str, size: int) -> None:
    assert show(source, size=size) == show(source)


def test_what_is_written_is_never_taken_back() -> None:
    source = "# T\n- **a** `b`\n\n```python\nx = 1\n```\n| a |\n|---|\n| 1 |\n\nend " + "long " * 50
    written = show(source, size=2, colour=True)
    assert "\r" not in written
    assert "\x1b" not in ESCAPE.sub("", written), "only colours: no movement, no erasing"


def test_words_are_shown_while_the_line_grows() -> None:
    file = io.StringIO()
    printer = make_printer(Console(file=file, width=40, force_terminal=True, color_system=None), UNICODE)
    printer.feed("Hello brave new wor")
    assert file.getvalue() == "Hello brave new"


def test_code_is_coloured_line_by_line_and_unknown_languages_are_plain() -> None:
    written = show('```python\ndef f():\n    """doc\n    more"""\n```', colour=True)
    assert re.search(r"\x1b\[[0-9;]*mdef", written)
    assert "more" in written
    assert ESCAPE.sub("", show("```nonesuch\nabc\n```", colour=True)).splitlines()[1] == "abc"


def test_without_colours_code_keeps_its_marks() -> None:
    assert show("a `b` c") == "a `b` c\n"
    assert ESCAPE.sub("", show("a `b` c", colour=True)) == "a b c\n"


@pytest.mark.parametrize("source", ["\x1b]52;c;aGk=\x07", "\x1b[2J", "a\x08b", "\x9b2J", "a\u202eb", "a\rb"])
def test_control_characters_of_a_reply_are_shown_not_obeyed(source: str) -> None:
    for printed in (show(source), plain(source)):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed)
        assert printed.strip()


def plain(source: str) -> str:
    file = io.StringIO()
    console = Console(file=file, width=40, force_terminal=True, _environ={"TERM": "dumb"})
    printer = make_printer(console, ASCII)
    assert isinstance(printer, PlainPrinter)
    for char in source:
        printer.feed(char)
    printer.finish()
    return file.getvalue()


def test_a_dumb_terminal_gets_the_reply_as_it_came() -> None:
    assert plain("# T\n**a** " + "b" * 50) == "# T\n**a** " + "b" * 50 + "\n"
    assert plain("a\n") == "a\n"
    assert plain("") == ""


def test_a_table_too_wide_is_told_cell_by_cell() -> None:
    source = "| Name | Value | Note |\n|---|---|---|\n| alpha | **1** | words that are long |\n| beta | 2 |"
    lines = [line.rstrip() for line in show(source, width=20).splitlines()]
    assert lines == ["Name: alpha", "Value: 1", "Note: words that are", "long", "", "Name: beta", "Value: 2"]
    assert "Name" in show(source, width=60).splitlines()[0]
