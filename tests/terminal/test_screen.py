import io

import pytest
from rich.console import Console

from turnkeep.terminal.screen import (
    ASCII,
    UNICODE,
    choose_signs,
    hold_return,
    make_console,
    one_line,
    printable,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("\x1b[2J", "␛[2J"),
        ("\x07\x00", "␇␀"),
        ("\x7f\x9b", "\ufffd\ufffd"),
        ("\u202eabc\u2066", "\ufffdabc\ufffd"),
        ("ünï 好 👨‍👩‍👧", "ünï 好 👨‍👩‍👧"),
    ],
)
def test_control_characters_are_made_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("short", 10, "short"), ("a b\n c", 10, "a b c"), ("long words here", 10, "long word…"), ("你好世界", 5, "你好…"), ("abc", 1, "…"), ("abc", 0, "")],
)  # fmt: skip
def test_a_text_is_shortened_to_one_line(text: str, width: int, shown: str) -> None:
    assert one_line(text, width) == shown


def test_a_last_carriage_return_waits_for_its_newline() -> None:
    assert hold_return("a\r") == ("a", "\r")
    assert hold_return("a\r\n") == ("a\r\n", "")


def test_signs_are_those_that_the_terminal_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert choose_signs(Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))) is UNICODE
    assert choose_signs(Console(file=io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))) is ASCII
    monkeypatch.setenv("TERM", "dumb")
    assert choose_signs(Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))) is ASCII


def test_markup_in_what_was_said_is_text() -> None:
    file = io.StringIO()
    make_console(file).print("[red]a[/red] :smile: 1")
    assert file.getvalue() == "[red]a[/red] :smile: 1\n"
