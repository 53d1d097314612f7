from turnkeep.context.picture import Fate, Picture, PictureEntry
from turnkeep.terminal.picture import ITEMS_SHOWN, render_picture
from turnkeep.terminal.screen import ASCII


def entry(turn: int, fate: Fate = "verbatim", text: str = "some words") -> PictureEntry:
    return PictureEntry(
        turn=turn, role="user", tokens=9 if fate == "verbatim" else None, fate=fate, text=text
    )


def picture(*entries: PictureEntry, **changes: object) -> Picture:
    values: dict[str, object] = {
        "window": 1_000, "reserve": 200, "high": 700, "low": 300, "base_tokens": 100, "log_tokens": 500, "base": "Be kind.",
        "entries": entries, "summarised": (), "left_out": (), **changes,
    }  # fmt: skip
    return Picture(**values)  # type: ignore[arg-type]  # the fields above


def lines(drawn: Picture, width: int = 60, *, every_item: bool = False) -> list[str]:
    return [line.plain for line in render_picture(drawn, width, ASCII, every_item=every_item)]


def test_the_bar_its_legend_and_every_item_are_drawn() -> None:
    drawn = picture(
        entry(1, "summarised"), entry(2, "left_out", "line\none"), entry(3, text="word " * 30),
        summarised=((1, 1),), left_out=((2, 2),),
    )  # fmt: skip
    assert lines(drawn) == [
        "#" * 6 + "=" * 30 + "." * 12 + "-" * 12,
        "#     100  base: instructions and summary",
        "=     500  log: turns word for word",
        ".     200  room left",
        "-     200  kept for the reply",
        "    1,000  tokens of window; compaction above 700",
        "base: Be kind.",
        "turn              tokens",
        "   1  summarised          user: some words",
        "   2  left out            user: line one",
        "   3  verbatim         9  user: word word word word word...",
    ]


def test_older_items_of_a_long_log_are_told_as_ranges() -> None:
    entries = [entry(turn, "summarised") for turn in range(5, 10)] + [entry(turn) for turn in range(10, 100)]
    drawn = picture(*entries, summarised=((1, 3), (5, 9)), left_out=((4, 4),))
    told = lines(drawn)
    assert told[8:12] == [
        "turns 1-3: summarised", "turns 5-9: summarised", "turn 4: left out", f"turns 10-{99 - ITEMS_SHOWN}: verbatim",
    ]  # fmt: skip
    assert len(told) == 12 + ITEMS_SHOWN
    assert len(lines(drawn, every_item=True)) == 8 + 2 + 95


def test_an_empty_window_is_drawn() -> None:
    assert len(lines(picture(base="", base_tokens=0, log_tokens=0))) == 6


def test_no_line_of_items_is_wider_than_a_narrow_terminal() -> None:
    told = lines(picture(entry(1, text="long " * 30), base=""), width=40)
    assert len(told[-1]) <= 40
