import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.terminal.inline import HOLD, InlineStream, Styled


def read(text: str, size: int | None = None) -> str:
    """Read a line in pieces of `size`; looks are written as tags around their text."""
    stream = InlineStream()
    pieces: list[Styled] = []
    for start in range(0, len(text), size or max(1, len(text))):
        pieces += stream.feed(text[start : start + (size or len(text))])
    pieces += stream.finish()
    joined: list[tuple[str, str]] = []
    for piece, looks in pieces:
        tag = "+".join(sorted(looks))
        if joined and joined[-1][1] == tag:
            joined[-1] = (joined[-1][0] + piece, tag)
        elif piece:
            joined.append((piece, tag))
    return "".join(f"<{tag}:{piece}>" if tag else piece for piece, tag in joined)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("plain words", "plain words"),
        ("**bold** and *it*", "<bold:bold> and <italic:it>"),
        ("__bold__ and _it_", "<bold:bold> and <italic:it>"),
        ("***both***", "<bold+italic:both>"),
        ("**bold *it* more**", "<bold:bold ><bold+italic:it><bold: more>"),
        ("~~gone~~ ~not~", "<strike:gone> ~not~"),
        ("`code *not it*`", "<code:code *not it*>"),
        ("``a ` b``", "<code:a ` b>"),
        ("`` ` ``", "<code:`>"),
        ("[a link](http://x)", "<link:a link><url: (http://x)>"),
        ("[a](http://x_(y)) b", "<link:a><url: (http://x_(y))> b"),
        ("[http://x](http://x)", "<link:http://x>"),
        ('[a](b "title")', "<link:a><url: (b)>"),
        ("[](http://x)", "<link:http://x>"),
        ("**[a](b)**", "<bold+link:a><bold+url: (b)>"),
        ("a[0] and [ ] and [x", "a[0] and [ ] and [x"),
        (r"\*not it\* \a \\", r"*not it* \a " + "\\"),
        ("\\", "\\"),
        ("snake_case_name _it_", "snake_case_name <italic:it>"),
        ("2*3*4 = 24", "2*3*4 = 24"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("好**重要**的", "好<bold:重要>的"),
        ("use **kwargs here", "use **kwargs here"),
        ("*a", "*a"),
        ("`a", "`a"),
        ("a*", "a*"),
        ("****", "****"),
        ("**a*", "**a*"),
        ("", ""),
    ],
)
def test_marks_become_looks(source: str, shown: str) -> None:
    assert read(source) == shown


@given(st.text(alphabet="ab *_`~[]()\\好", max_size=60), st.integers(1, 7))
def test_a_line_reads_the_same_however_it_is_cut(source: str, size: int) -> None:
    assert read(source, size) == read(source)


@given(st.text(alphabet="ab *_`~[]()\\", max_size=80), st.integers(1, 9))
def test_no_word_is_lost(source: str, size: int) -> None:
    stream = InlineStream()
    shown = "".join(
        piece
        for start in range(0, len(source), size)
        for piece, _ in stream.feed(source[start : start + size])
    )
    shown += "".join(piece for piece, _ in stream.finish())
    for char in "ab":
        assert shown.count(char) >= source.count(char)


def test_text_without_marks_is_shown_at_once() -> None:
    stream = InlineStream()
    assert list(stream.feed("some wor")) == [("some wor", frozenset())]


def test_a_long_bold_text_is_not_held_for_ever() -> None:
    stream = InlineStream()
    assert list(stream.feed("**" + "a" * HOLD)) == [("a" * HOLD, frozenset({"bold"}))]
    assert list(stream.feed("b** c")) == [("b", frozenset({"bold"})), (" c", frozenset())]


@pytest.mark.parametrize("mark", ["*", "`", "[", "_"])
def test_a_mark_without_a_partner_is_not_held_for_ever(mark: str) -> None:
    stream = InlineStream()
    source = mark + "a" * (HOLD + 1)
    shown = "".join(piece for piece, _ in stream.feed(source))
    assert shown == source


def test_a_new_line_begins_without_the_looks_of_the_last() -> None:
    stream = InlineStream()
    list(stream.feed("**" + "a" * HOLD))
    list(stream.finish())
    assert list(stream.feed("b ")) == [("b ", frozenset())]
