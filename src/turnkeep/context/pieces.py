r"""Cut what was forgotten into pieces to search files for, in every form in which turnkeep writes text.

    as said        Grüße aus "Rom"
    in JSON        Grüße aus \"Rom\"
    in ASCII JSON  Gr\u00fc\u00dfe aus \"Rom\"

Pieces are short, since a long text is spread over pages of a database, and cover all of a text. Nothing is
compressed or encoded in any other way; the word index holds numbers, and no text.

Pure. Does not know which pieces stand in what is kept as well: the search asks that of those it finds.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

PIECE_CHARACTERS = 32
FEWEST_BYTES = 6  # of a text; shorter ones stand everywhere
SHORT_BYTES = 15  # below, a search looks for each by itself (scanning.py)
MOST_SHORT = 64
MOST_PIECES = 20_000  # evenly taken where there are more

Piece: TypeAlias = frozenset[bytes]
"""The forms of one piece."""


def cut_pieces(texts: Iterable[str | bytes], first: Iterable[str] = ()) -> list[Piece]:
    """Cut texts and bytes into pieces.

    Args:
        texts: what was forgotten.
        first: what is to be looked for in any case and whole, such as a value.
    """
    wanted = {_forms(text) for text in first if text}
    pieces = dict.fromkeys(piece for text in texts for piece in _cut(text))
    short = [piece for piece in pieces if min(map(len, piece)) < SHORT_BYTES]
    long = [piece for piece in pieces if min(map(len, piece)) >= SHORT_BYTES]
    return [*wanted, *spread(short, MOST_SHORT), *spread(long, MOST_PIECES)]


def _cut(text: str | bytes) -> Iterator[Piece]:
    if isinstance(text, bytes):
        if len(text) > BLOB_BYTES // 2:
            yield frozenset((text[:BLOB_BYTES],))
        return
    for line in text.splitlines():
        for start in range(0, len(line), PIECE_CHARACTERS):
            part = line[start : start + PIECE_CHARACTERS]
            if start and len(part) < PIECE_CHARACTERS:
                part = line[-PIECE_CHARACTERS:]
            if len(part.strip().encode("utf-8", "replace")) >= FEWEST_BYTES:
                yield _forms(part.strip())


BLOB_BYTES = 32  # of a vector or digest: enough to know it by


def _forms(text: str) -> Piece:
    forms = (text, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1])
    return frozenset(form.encode("utf-8", "replace") for form in forms)


def spread(pieces: Sequence[Piece], most: int) -> Sequence[Piece]:
    """At most so many of them, evenly."""
    if len(pieces) <= most:
        return pieces
    return [pieces[index * len(pieces) // most] for index in range(most)]
