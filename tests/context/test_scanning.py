"""Every piece is found, wherever it stands, and no other."""

import random
from typing import Any

import pytest

from turnkeep.context.pieces import MOST_PIECES, MOST_SHORT, PIECE_CHARACTERS, cut_pieces
from turnkeep.context.scanning import Scanner


@pytest.mark.parametrize("length", [1, 7, 8, 14, 15, 16, 22, 23, 24, 40])
def test_a_piece_is_found_at_every_place(length: int) -> None:
    piece = bytes(range(100, 100 + length))
    for place in range(24):
        data = bytes(place) + piece + bytes(24 - place)
        assert Scanner([piece]).scan(data) == {piece}
        assert Scanner([piece]).scan(data.replace(piece, piece[:-1] + b"\0")) == set()


def test_of_many_pieces_those_that_stand_there_are_found() -> None:
    dice = random.Random(3)
    pieces = [dice.randbytes(dice.randint(5, 60)) for _ in range(300)]
    there = pieces[:40]
    data = b"".join(piece + dice.randbytes(dice.randint(1, 30)) for piece in there)
    assert Scanner(pieces).scan(data) == set(there)


def test_what_is_dropped_is_looked_for_no_more() -> None:
    scanner = Scanner([b"short", b"long enough for blocks"])
    scanner.drop([b"short", b"long enough for blocks"])
    assert scanner.scan(b"short and long enough for blocks") == set()


def test_pieces_cover_a_text_in_every_form() -> None:
    text = 'Grüße aus "Rom", Zeile eins\nund noch eine Zeile, die länger ist als ein Stück'
    pieces = cut_pieces([text])
    assert all(len(form.decode()) >= 6 for piece in pieces for form in piece)
    forms = {form for piece in pieces for form in piece}
    assert b'Gr\\u00fc\\u00dfe aus \\"Rom\\", Zeile eins' in forms
    assert 'Grüße aus \\"Rom\\", Zeile eins'.encode() in forms
    assert 'Grüße aus "Rom", Zeile eins'.encode() in forms
    second = text.splitlines()[1]
    assert second[:PIECE_CHARACTERS].strip().encode() in forms
    assert second[-PIECE_CHARACTERS:].strip().encode() in forms


def test_bytes_are_known_by_their_beginning_and_short_texts_say_nothing() -> None:
    assert cut_pieces([bytes(range(64)), b"few", "ok", "yes"]) == [frozenset({bytes(range(32))})]


def test_there_is_an_end_to_pieces_but_not_to_values() -> None:
    short = [f"word {number:05d}" for number in range(500)]
    assert len(cut_pieces(short)) == MOST_SHORT
    assert len(cut_pieces(short, ["4711"])) == MOST_SHORT + 1
    long = [f"a sentence of its own {number:05d}" for number in range(MOST_PIECES + 10)]
    assert len(cut_pieces(long)) == MOST_PIECES


def test_pieces_made_of_the_same_words_are_not_looked_for_one_by_one() -> None:
    class Counted(bytes):
        looked = 0  # bytes that were looked at

        def __getitem__(self, place: Any) -> Any:
            part = super().__getitem__(place)
            Counted.looked += len(part)
            return part

        def __contains__(self, wanted: Any) -> bool:
            Counted.looked += len(self)
            return super().__contains__(wanted)

    words = ["the same ", "because ", "whatever ", "everyone ", "nothing but ", "sometimes "]
    dice = random.Random(5)
    pieces = cut_pieces("".join(dice.choices(words, k=4)) + f"{number:04d}" for number in range(3_000))
    text = "".join(dice.choices(words, k=20_000)).encode()
    first = min(pieces[7])
    assert Scanner(form for piece in pieces for form in piece).scan(Counted(text + first)) >= {first}
    assert Counted.looked < 20 * len(text)


def test_pieces_with_the_same_beginning_are_told_apart() -> None:
    pieces = [b"the very same words and then one" + bytes([letter]) for letter in range(65, 91)]
    assert Scanner(pieces).scan(b"Here are the very same words and then oneC.") == {pieces[2]}
