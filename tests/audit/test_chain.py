"""One record as a line: what proves it, what is left of it when it is forgotten."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import turnkeep.audit.chain as chain_module
import turnkeep.audit.verify as verify_module
from tests.audit.journals import SECRET
from tests.test_purity import find_impurities, parse
from turnkeep.audit.chain import START, Broken, Record, Secret, clean, forget_line, make_line, read_line

FILE = "0001-000001.jsonl"
KEY = bytes(range(100, 132))
FIELDS = {"kind": "turn", "at": 1.5, "owner": "local"}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def line_of(texts=None, fields=FIELDS, number=7):
    return make_line(SECRET, FILE, number, START, fields, texts, KEY)[0]


def test_a_record_is_read_as_it_was_written() -> None:
    line, link = make_line(SECRET, FILE, 7, START, FIELDS, {"input": "secret\n\u2028 é"}, KEY)
    assert line.count(b"\n") == 1
    assert read_line(SECRET, FILE, line) == Record(
        number=7, prev=START, link=link, fields=FIELDS, texts={"input": "secret\n\u2028 é"}, forgotten=False
    )


@settings(max_examples=30)
@given(
    st.dictionaries(st.text(max_size=4).map("x".__add__), values, max_size=3),
    st.dictionaries(st.text(), st.text()),
)
def test_any_values_are_read_as_they_were_written(fields, texts) -> None:
    line = line_of(texts, {"kind": "turn", **fields})
    record = read_line(SECRET, FILE, line)
    assert isinstance(record, Record)
    assert record.texts == clean(texts)
    gone = read_line(SECRET, FILE, forget_line(SECRET, FILE, line))
    assert isinstance(gone, Record)
    assert gone.forgotten


def test_any_changed_byte_is_found() -> None:
    for line in (line_of(), line_of({"input": "é text"}), forget_line(SECRET, FILE, line_of({"input": "x"}))):
        for place in range(len(line)):
            for bit in range(8):
                other = bytearray(line)
                other[place] ^= 1 << bit
                assert isinstance(read_line(SECRET, FILE, bytes(other)), Broken), (place, bit)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda body: body.pop("texts"), "has lost its text without leave"),
        (lambda body: [body.pop(name) for name in ("texts", "key")], "has lost its text without leave"),
        (lambda body: body.update(texts={"input": "other"}), "has a text that was changed"),
        (lambda body: body.update(key="zz"), "has a text that was changed"),
        (lambda body: body.update(key="ab"), "has a text that was changed"),
        (lambda body: body.update(owner="else"), "was changed, or belongs elsewhere"),
        (lambda body: body.update(n="7"), "is no record as turnkeep writes them"),
        (lambda body: body.update(link="é"), "is no record as turnkeep writes them"),
        (lambda body: body.update(texts=[]), "is no record as turnkeep writes them"),
        (lambda body: body.update(texts={"input": float("nan")}), "is no record as turnkeep writes them"),
    ],
)
def test_a_changed_record_says_what_is_wrong(change, why) -> None:
    body = json.loads(line_of({"input": "x"}))
    change(body)
    line = (json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
    assert read_line(SECRET, FILE, line) == Broken(why)


@pytest.mark.parametrize("line", [b"", b"{}\n", b"[]\n", b"\xff\n", b"[" * 100_000, b"1" * 5_000 + b"\n"])
def test_what_is_no_record_is_said_to_be_none(line: bytes) -> None:
    assert isinstance(read_line(SECRET, FILE, line), Broken)


def test_a_text_that_was_put_in_later_is_found() -> None:
    body = json.loads(line_of()) | {"key": KEY.hex(), "texts": {"input": "never said"}}
    line = (json.dumps(body, separators=(",", ":")) + "\n").encode()
    assert read_line(SECRET, FILE, line) == Broken("has a text that was put in later")


def test_a_record_of_another_file_or_key_is_found() -> None:
    assert read_line(SECRET, "0002-000001.jsonl", line_of()) == Broken("was changed, or belongs elsewhere")
    assert isinstance(read_line(Secret(bytes(32)), FILE, line_of()), Broken)


def test_a_forgotten_record_keeps_its_link_and_nothing_of_its_text() -> None:
    line = line_of({"input": "my number is 555"})
    gone = forget_line(SECRET, FILE, line)
    before, after = read_line(SECRET, FILE, line), read_line(SECRET, FILE, gone)
    assert isinstance(before, Record)
    assert isinstance(after, Record)
    assert b"555" not in gone
    assert KEY.hex().encode() not in gone
    assert (after.link, after.texts, after.forgotten) == (before.link, None, True)


def test_only_the_key_can_mark_a_record_forgotten() -> None:
    line, other = line_of({"input": "x"}), line_of({"input": "x"}, number=8)
    forged = forget_line(Secret(bytes(32)), FILE, line)
    assert read_line(SECRET, FILE, forged) == Broken("has lost its text without leave")
    borrowed = json.loads(forget_line(SECRET, FILE, line)) | {
        "forgotten": json.loads(forget_line(SECRET, FILE, other))["forgotten"]
    }
    text = (json.dumps(borrowed, separators=(",", ":")) + "\n").encode()
    assert read_line(SECRET, FILE, text) == Broken("has lost its text without leave")


def test_the_digest_of_a_forgotten_text_does_not_tell_it() -> None:
    texts = {"input": "555"}
    first = json.loads(make_line(SECRET, FILE, 1, START, FIELDS, texts, bytes(32))[0])
    other = json.loads(make_line(SECRET, FILE, 1, START, FIELDS, texts, bytes([1] * 32))[0])
    assert (
        first["digest"] != other["digest"]
    )  # without the record's own key, equal texts are not seen to be equal


@pytest.mark.parametrize("module", [chain_module, verify_module])
def test_chain_and_check_only_compute(module) -> None:
    allowed = {"imports store.heads"}  # rows as plain values
    assert set(find_impurities(*parse(Path(module.__file__)))) - allowed - {"imports audit.chain"} == set()
