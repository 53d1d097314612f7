import pytest

from turnkeep.context.picture import Picture
from turnkeep.context.receipt import Receipt
from turnkeep.terminal.screen import ASCII, UNICODE
from turnkeep.terminal.status import render_bar, render_status


def picture(base: int = 40, log: int = 300, window: int = 4096, reserve: int = 800) -> Picture:
    return Picture(
        window=window, reserve=reserve, high=2_000, low=900, base_tokens=base, log_tokens=log, base="",
        entries=(), summarised=(), left_out=(),
    )  # fmt: skip


RECEIPT = Receipt(
    engine="e", model="m", window=4096, reserve=800, high=2_000, low=900,
    reused_tokens=318, read_tokens=22, seconds_to_first=0.304, tokens_per_second=41.4,
)  # fmt: skip


def test_the_line_tells_how_the_window_is_filled_and_what_the_turn_cost() -> None:
    assert render_status(picture(), RECEIPT, 100, UNICODE) == (
        "█░░░░░░░░░·· base 40  log 300  room 2,956  reused 318  read 22  first 0.30 s  41 tok/s"
    )


def test_the_line_fits_whatever_the_width() -> None:
    for width in range(1, 120):
        line = render_status(picture(base=12_345, log=98_765, window=131_072), RECEIPT, width, UNICODE)
        assert len(line) <= width
        assert width < 20 or "base 12.3k" in line


def test_the_most_telling_parts_stay_on_a_narrow_terminal() -> None:
    assert render_status(picture(), RECEIPT, 20, UNICODE) == "base 40  log 300"


def test_what_the_engine_did_not_say_is_left_out() -> None:
    silent = Receipt(engine="e", model="m", window=1, reserve=0, high=1, low=1)
    assert render_status(picture(), silent, 100, ASCII) == "#.........-- base 40  log 300  room 2,956"
    assert render_status(None, None, 80, UNICODE) == ""
    assert render_status(None, RECEIPT, 80, UNICODE).startswith("reused 318")


@pytest.mark.parametrize(
    ("base", "log", "drawn"),
    [
        (0, 0, "........--"),
        (100, 0, "#.......--"),
        (1, 0, "........--"),
        (100, 500, "#=====..--"),
        (0, 800, "========--"),
    ],
)
def test_the_bar_is_base_log_room_and_reserve(base: int, log: int, drawn: str) -> None:
    assert render_bar(picture(base, log, window=1_000, reserve=200), 10, ASCII) == drawn


def test_the_bar_has_its_length_however_full_the_window_is() -> None:
    for log in range(0, 1_200, 37):
        assert len(render_bar(picture(50, log, window=1_000, reserve=200), 10, ASCII)) == 10
