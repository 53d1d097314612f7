"""A value is found however it is spaced, and nothing that only looks like it."""

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
    ],
)
def test_what_only_holds_it_is_let_be(value: str, text: str) -> None:
    assert not Mention(value).is_in(text)
    assert Mention(value).rewrite(text) == text


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
