"""JSON is the same whoever reads and writes it."""

import json
from itertools import product

import pytest

from turnkeep.wire import json_text
from turnkeep.wire.json_text import dump_body, parse_json, parse_string, parse_strings

TEXTS = ['{"a": [1, 2.5, null, true, "\\u00fc"]}', '"\\ud83d"', "NaN", "[]"]


@pytest.fixture(params=["as installed", "standard library"])
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "standard library":
        monkeypatch.setattr(json_text, "_loads", json.loads)
        monkeypatch.setattr(json_text, "_dumps", None)


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert repr(parse_json(text)) == repr(json.loads(text))


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "\ud800"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        parse_json(text)


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "messages": [{"role": "user", "content": "\u00fc \u2028 \U0001f600"}], "stream": True},
        {"temperature": 0.5, "stop": ["a"], "logit_bias": {"1": 2}, "n": None, "seed": 2**70},
    ],
)
def test_a_body_is_written_so_that_it_reads_the_same(body: dict[str, object]) -> None:
    assert json.loads(dump_body(body)) == body


@pytest.mark.usefixtures("_library")
def test_half_a_pair_becomes_a_question_mark() -> None:
    assert json.loads(dump_body({"messages": ["a\ud800b"]})) == {"messages": ["a?b"]}


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}, object()])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        dump_body({"field": value})


def test_strings_read_at_once_are_those_read_one_by_one() -> None:
    insides = [bytes(signs) for length in range(4) for signs in product(b'\\",\nn', repeat=length)]
    alone = {inside: parse_string(b'"' + inside + b'"') for inside in insides}
    for raw in ([first, second, b"n"] for first in insides for second in insides):
        texts = [alone[inside] for inside in raw]
        read = parse_strings(raw)
        if any(b'"' in inside for inside in raw):
            assert read == []  # left to be read one by one
        else:
            assert read == (texts if all(texts) else [])
