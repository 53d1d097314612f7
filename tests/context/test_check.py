"""A claim is supported when it says nothing that was not said, of nobody that it was not said of."""

import pytest

from turnkeep.context.check import check, check_claim
from turnkeep.context.doubts import Claim, name_speakers
from turnkeep.context.evidence import Utterance, gather_evidence
from turnkeep.context.sentences import read_sentence

SAID = (
    "My dog is called Biscuit and is three years old.",
    "Nice! What a lovely name for a dog.",
    "I live in Rome with my sister Anna.",
    "Great. I recommend a visit to the Forum.",
    "The dentist is on Tuesday, March 3rd, at 3 pm. The door code is 4711-B.",
    "Noted. Do you want a reminder?",
    "No, thanks. I don't like coffee. I have 2 bikes and 3 helmets.",
    "You are always welcome to my advice on tea.",
    "My brother Tom plays chess in Milan. The train leaves on Friday at 5:30.",
    "Do you smoke?",
    "No, I don't.",
)
SPEAKERS = ("user", "assistant")


def chat(*said):
    return gather_evidence(
        [Utterance(n // 2 + 1, SPEAKERS[n % 2], text) for n, text in enumerate(said or SAID)],
        {"user": ["Ana"]},
    )


EVIDENCE = chat()


def doubts(claim, evidence=EVIDENCE):
    return [doubt.kind for doubt in check_claim(evidence, claim).doubts]


@pytest.mark.parametrize(
    "claim",
    [
        "The user's dog is called Biscuit.",
        "Ana's dog Biscuit is 3 years old.",
        "The user lives in Rome with her sister Anna.",
        "The assistant recommended a visit to the Forum.",
        "The dentist is on March 3 at 3 pm.",
        "Door code: 4711-B",
        "The user does not like coffee.",
        "The user doesn't smoke.",
        "Tom plays chess in Milan.",
        "The user has 2 bikes.",
        "User: I live in Rome.",
        "Living in Rome, the user has a sister.",
    ],
)
def test_what_was_said_is_supported(claim):
    assert doubts(claim) == []


@pytest.mark.parametrize(
    ("claim", "kind"),
    [
        ("The user's dog is 4 years old.", "number"),
        ("The user has 3 bikes.", "number"),
        ("The user has 2 helmets and a dog.", "number"),
        ("The dentist is on Wednesday.", "date"),
        ("The dentist is on March 4.", "date"),
        ("The dentist is on Friday.", "date"),
        ("The user's dog is called Rex.", "name"),
        ("Oksana lives in Rome.", "name"),
        ("Biscuit plays chess.", "name"),
        ("The door code is 4712-B.", "code"),
        ("The user likes coffee.", "negation"),
        ("The user does not live in Rome.", "negation"),
        ("The user has no dog.", "negation"),
        ("The assistant's dog is called Biscuit.", "speaker"),
        ("The user recommended a visit to the Forum.", "speaker"),
        ("They talked.", "unsupported"),
        ("The weather was discussed at length.", "unsupported"),
    ],
)
def test_what_was_not_said_is_doubted(claim, kind):
    assert kind in doubts(claim)


def test_a_score_is_one_or_more_for_what_is_supported():
    assert 1.0 <= check_claim(EVIDENCE, "The user's dog is called Biscuit.").score <= 2.0
    wrong = check_claim(EVIDENCE, "The user's dog is called Rex.")
    assert wrong.score < 1.0
    assert not wrong.supported
    assert check_claim(EVIDENCE, "Rex, 7, has no dog.").score < wrong.score


def test_a_verdict_names_the_turns_it_rests_on():
    assert check_claim(EVIDENCE, "The user lives in Rome. The user's dog is called Biscuit.").turns == (2, 1)
    assert check_claim(EVIDENCE, "They talked.").turns == ()


def test_an_empty_claim_says_nothing_wrong():
    assert check_claim(EVIDENCE, "").score == 2.0


@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        ("The price rose.", True),
        ("The price increased.", True),
        ("The price fell.", False),
        ("The staff was happy.", False),
        ("The staff was unhappy with the price.", True),
        ("The staff was satisfied.", False),
    ],
)
def test_opposites_are_told_apart(claim, supported):
    evidence = chat("The price rose last year. The staff was unhappy with it.")
    assert ("opposite" not in doubts(claim, evidence)) == supported


def test_an_opposite_of_something_else_is_no_contradiction():
    evidence = chat(
        "The cheap flight left while expensive hotels in Rome stayed full of quiet guests all summer."
    )
    assert doubts("The affordable flight left.", evidence) == []


@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        ("The user isn't happy in Rome.", True),
        ("The user refused the offer.", True),
        ("The user did not accept the offer.", True),
        ("The user did not live in Rome.", False),
    ],
)
def test_denials_in_other_words_count(claim, supported):
    evidence = chat("I am unhappy in Rome. I refused to take the offer.")
    assert ("negation" not in doubts(claim, evidence)) == supported


def test_what_was_affirmed_is_not_denied_by_a_word_beside_it():
    evidence = chat("I have a gaming group in no online forum.")
    assert doubts("The user has not a gaming forum.", evidence) == ["negation"]


def test_who_asked_is_not_who_answered():
    evidence = chat("I painted the old boat in the harbour.", "You painted the old boat? How did you do it?")
    assert doubts("The user painted the old boat.", evidence) == []
    assert doubts("The assistant painted the old boat.", evidence) == ["speaker"]
    assert doubts("The assistant asked how the user painted the old boat.", evidence) == []


def test_a_speaker_who_speaks_of_both_is_heard():
    evidence = chat("I will paint your boat.", "Fine.")
    assert doubts("The user will paint the boat of the assistant.", evidence) == []


def test_with_more_than_two_speakers_you_is_nobody_in_particular():
    evidence = gather_evidence(
        [
            Utterance(1, "Ana", "Do you sail the boat?"),
            Utterance(2, "Bob", "Yes."),
            Utterance(3, "Cem", "No."),
        ]
    )
    assert check_claim(evidence, "Ana sails the boat.").supported


def test_speakers_are_found_by_what_they_are_called():
    def named(text):
        return name_speakers(Claim(EVIDENCE, read_sentence(text)))

    assert named("Ana asked the assistant.") == ["user", "assistant"]
    assert named("用户问助手。") == ["user", "assistant"]
    assert named("Nobody is named.") == []


def test_german_nouns_are_no_names():
    evidence = chat("Mein Hund heißt Bello. Ich esse gern Kuchen mit Sahne.")
    assert doubts("Der Hund des Nutzers ist ein Bello und isst einen Kuchen.", evidence) == []
    assert "name" not in doubts("Der Nutzer hat einen Kater.", evidence)
    assert "name" in doubts("Der Hund des Nutzers heißt Rex.", evidence)


@pytest.mark.parametrize(
    ("claim", "kinds"),
    [
        ("用户的狗叫饼干。", []),
        ("助手的狗叫饼干。", ["speaker"]),
        ("用户喜欢咖啡。", ["negation"]),
        ("用户不喜欢咖啡。", []),
        ("用户的狗今年五岁。", ["number"]),
    ],
)
def test_languages_without_blanks_are_checked(claim, kinds):
    assert doubts(claim, chat("我的狗叫饼干，今年三岁。", "好的！", "我不喜欢咖啡。")) == kinds


@pytest.mark.parametrize(
    ("claim", "kinds"),
    [
        ("Собака пользователя зовут Бобик.", []),
        ("Собаку пользователя зовут Рекс.", ["name"]),
        ("Пользователь пьёт кофе.", ["negation"]),
        ("Собаке 4 года.", ["number"]),
    ],
)
def test_other_alphabets_are_checked(claim, kinds):
    evidence = chat("Мою собаку зовут Бобик, ей 3 года.", "Хорошо.", "Я не пьёт кофе.")
    assert [
        kind for kind in doubts(claim, evidence) if kind in ("name", "number", "negation", "speaker")
    ] == kinds


def test_a_text_is_checked_as_a_whole():
    verdict = check("Ana: I have two dogs.\nBob: I have a cat.", "Ana has three dogs.")
    assert [(doubt.kind, doubt.what) for doubt in verdict.doubts] == [("number", "3")]
    assert check("The report covers 12 shops. They sell tea.", "12 shops sell tea.").supported


def test_a_text_goes_on_about_one_thing_and_a_dialogue_does_not():
    claim = "The yellow hall of the old library opened in 1999."
    said = "The old library opened its hall again. It was painted yellow in 1999. The castle of the old library fell in 1850."
    assert check(said, claim).supported
