"""A table of a reply: columns where the terminal is wide enough, else one line for each cell."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

NARROWEST_COLUMN = 6  # cells; below that words are cut to pieces


def print_table(console: Console, rows: Sequence[Sequence[Text]]) -> None:
    """Print rows, the first of them the header; rows may be shorter or longer than it."""
    header, *body = rows
    columns = max(len(row) for row in rows)
    if console.width < columns * (NARROWEST_COLUMN + 3) and _unbroken_width(rows) > console.width:
        _print_lines(console, header, body)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index in range(columns):
        table.add_column(header[index] if index < len(header) else "", overflow="fold")
    for row in body:
        table.add_row(*row)
    console.print(table, soft_wrap=False)


def _unbroken_width(rows: Sequence[Sequence[Text]]) -> int:
    """Cells that the rows need side by side, unbroken."""
    widths = [max((cell.cell_len for cell in column), default=0) for column in _columns(rows)]
    return sum(widths) + 3 * len(widths)


def _columns(rows: Sequence[Sequence[Text]]) -> list[list[Text]]:
    return [[row[i] for row in rows if i < len(row)] for i in range(max(len(row) for row in rows))]


def _print_lines(console: Console, header: Sequence[Text], body: Sequence[Sequence[Text]]) -> None:
    for number, row in enumerate(body):
        if number:
            console.print()
        for index, cell in enumerate(row):
            label = Text.assemble(header[index], ": ") if index < len(header) else Text()
            console.print(label + cell, soft_wrap=False)
