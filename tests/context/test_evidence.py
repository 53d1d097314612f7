"""What was said is laid out with its speakers, and found again by what it holds."""

import pytest

from turnkeep.context.evidence import Utterance, gather_evidence, parse_source


def test_a_dialogue_is_read_line_by_line():
    assert parse_source("Ana: Hi!\n\nBob: Hello.\nHow are you?\nAna: Fine.") == [
        Utterance(1, "Ana", "Hi!"),
        Utterance(2, "Bob", "Hello."),
        Utterance(3, "Bob", "How are you?"),
        Utterance(4, "Ana", "Fine."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Subject: an offer\nWe sell tea.\nMilk too.\nAnd sugar.\nPrice: 5 euros",
        "Note: a single label",
        "plain prose without any label",
        "\n".join(f"Item{n} : text" for n in range(30)),
    ],
)
def test_a_text_with_headings_is_no_dialogue(text):
    assert {utterance.speaker for utterance in parse_source(text)} == {""}
    assert " ".join(u.text for u in parse_source(text)).split() == text.replace(" :", ":").split()


def test_a_long_text_before_a_colon_names_no_speaker():
    lines = "This is what she then told us: tea\nAna: Hi\nBob: Ho"
    assert parse_source(lines)[0] == Utterance(1, "", "This is what she then told us: tea")


def evidence(*said):
    return gather_evidence([Utterance(n, speaker, text) for n, (speaker, text) in enumerate(said, 1)])


def test_sentences_keep_their_place():
    found = evidence(("User", "I like tea. You know."), ("assistant", "Rain is coming."))
    assert [(s.turn, s.utterance, s.speaker, s.first, s.second) for s in found.said] == [
        (1, 0, "user", True, False),
        (1, 0, "user", False, True),
        (2, 1, "assistant", False, False),
    ]


def test_persons_are_found_without_blanks_too():
    found = evidence(("user", "我喜欢茶。"), ("assistant", "你喜欢茶吗？"))
    assert [(s.first, s.second) for s in found.said] == [(True, False), (False, True)]


def test_rare_words_weigh_more():
    found = evidence(("user", "tea with milk"), ("user", "tea alone"), ("user", "tea again"))
    assert found.weigh("unsaid") > found.weigh("milk") > found.weigh("tea")
    overlaps = found.overlaps(["milk", "tea"])
    assert overlaps[0] > overlaps[1] == overlaps[2]


@pytest.mark.parametrize("name", ["melanie", "mel", "biscuits", "ana", "garcia", "user", "nutzer"])
def test_a_name_is_known_in_any_form_it_was_said_in(name):
    said = [Utterance(1, "user", "I met Melanie. My dog is called Biscuit.")]
    assert gather_evidence(said, {"user": ["Ana Garcia"]}).knows_name(name)


@pytest.mark.parametrize("name", ["oksana", "lani", "m"])
def test_a_name_that_was_not_said_is_not_known(name):
    assert not gather_evidence([Utterance(1, "user", "I met Melanie once.")]).knows_name(name)


def test_codes_are_known_as_wholes_however_they_are_spaced():
    found = evidence(("user", "The account is DE 12 3456 and the door AB-12c, mail ana@x.org"))
    assert {"de123456", "ab12c", "ana@x.org"} <= found.codes
    assert not {"ab12", "de1234", "account", "b12c"} & found.codes


def test_figures_and_what_they_count_are_indexed():
    found = evidence(("user", "I have 3 dogs. On Friday Tom has 2 cats."))
    assert found.by_mark["number", "3"] == [0]
    assert found.by_mark["date", "weekday 5"] == found.by_mark["name", "tom"] == [1]
    assert found.counted == {"dog": {"3"}, "cat": {"2"}}
