"""A value is found however it is spaced, and nothing that only looks like it."""

import json

import pytest

from turnkeep.context.mentions import FORGOTTEN_MARK, Mention
from turnkeep.errors import UsageError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0171 555-0199", "01715550199"),
        ("0171 555-0199", "0171/5550199"),
        ("01715550199", "(0171) 555 0199"),
        ("+49 171 555", "+49171555"),
        ("Ann Smith", "ann   smith"),
        ("ann@example.org", "Ann@Example.org"),
        ("4711", "4711"),
        ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00"),
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("Zoë Müller", "Zoe\u0308 Mu\u0308ller"),
        ("Zoe\u0308 Mu\u0308ller", "Zoë Müller"),
        ("Weißstraße", "WEISSSTRASSE"),
        ("WEISS", "Weiß"),
        ("Ann Smith", "Ann\u00a0\u200bSm\u00adith"),
        ("0171 555-0199", "\u202a0171\u200e 555\u20110199".removeprefix("\u202a")),
    ],
)
def test_a_value_is_found(value: str, text: str) -> None:
    rewritten = Mention(value).rewrite(f"It is {text}, yes.")
    assert rewritten == f"It is {FORGOTTEN_MARK}, yes."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("4711", "24711"),
        ("4711", "47112"),
        ("Ann Smith", "Ann Smithers"),
        ("Ann", "Joanna"),
        ("0171 555", "0172 555"),
        ("Zoe", "Zoë"),
        ("Zoe", "Zoe\u0308"),
        ("table", r"\notable"),
        ("DE8937040044", "DE89370400441"),
    ],
)
def test_what_only_holds_it_is_let_be(value: str, text: str) -> None:
    assert not Mention(value).is_in(text)
    assert Mention(value).rewrite(text) == text


@pytest.mark.parametrize(
    "value", ["Zoë Müller", "O'Brien", "a+b@example.org", "x/y <z>", '16" of', "grin 😀", "0171 555-0199"]
)
def test_a_value_is_found_as_json_writes_it_however_deep(value: str) -> None:
    text = f"Hi,\n{value}\tsaid so"
    for depth in range(4):
        assert Mention(value).is_in(text), depth
        left = Mention(value).rewrite(text)
        for _ in range(depth):
            left = json.loads(left)["a"]
        assert left == f"Hi,\n{FORGOTTEN_MARK}\tsaid so", depth
        text = json.dumps({"a": text})


def test_a_value_is_found_as_other_programs_escape_it() -> None:
    assert Mention("O'Brien").rewrite(r"by O\u0027Brien") == f"by {FORGOTTEN_MARK}"
    assert Mention("a+b@example.org").rewrite("?m=a%2Bb%40example.org&x") == f"?m={FORGOTTEN_MARK}&x"
    assert Mention("Ann Smith").rewrite("?q=%20Ann%20Smith") == f"?q=%20{FORGOTTEN_MARK}"
    assert Mention("Ann Smith").rewrite("_Ann Smith_") == f"_{FORGOTTEN_MARK}_"


@pytest.mark.parametrize("value", ["", "  ", "a", "42", "()", "forgotten", "[forgotten]"])
def test_a_value_that_cannot_be_told_from_others_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="too short"):
        Mention(value)


def test_json_stays_json() -> None:
    mention = Mention("4711")
    assert mention.rewrite_json({"pin 4711": [4711, "is 4711", True, None, 12.5]}) == {
        "pin [forgotten]": [FORGOTTEN_MARK, "is [forgotten]", True, None, 12.5]
    }
    assert mention.rewrite_json('{"pin": 4711}') == '{"pin": "[forgotten]"}'
    assert mention.rewrite_json("{4711 is no JSON") == "{[forgotten] is no JSON"


def test_every_spelling_that_stands_there_is_told() -> None:
    assert Mention("0171 555").find("0171555 and 0171-555") == ["0171555", "0171-555"]
