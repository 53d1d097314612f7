"""What the user said survives word for word; the latest word wins; room is bounded."""

import pytest

from turnkeep.context.claims import read_claim
from turnkeep.context.corrections import find_replaced
from turnkeep.context.facts import (
    DOUBTED,
    FACTS_HEADER,
    MOST_REPLACED,
    Fact,
    Statement,
    dump_fact,
    fit_facts,
    keep_facts,
    load_fact,
    render_facts,
    reopen_facts,
)
from turnkeep.context.gleaning import FACT_CHARACTERS
from turnkeep.context.suspicion import find_doubted
from turnkeep.context.values import find_values, shape_of
from turnkeep.conversation.log import Position


def at(number):
    return Position(0, 2 * number)


def say(*texts, start=1, every=1):
    return [
        Statement(text=text, turn=start + every * n, at=at(start + every * n)) for n, text in enumerate(texts)
    ]


def current(facts):
    return [fact.text for fact in facts if fact.current]


def tell(*texts, every=1):
    return current(keep_facts((), say(*texts, every=every)))


def fact(text, turn=1, **fields):
    return Fact(**{"text": text, "turn": turn, "at": at(turn), "rank": 3, **fields})


def test_a_fact_names_its_turn_and_the_item_that_said_it():
    (kept,) = keep_facts((), say("What a day.", "My room is 214."))
    assert (kept.text, kept.turn, kept.at, kept.rank, kept.locked) == ("My room is 214.", 2, at(2), 4, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("my locker is 241", "no, 214 not 241"),
        ("My dentist appointment is on 4 June.", "my dentist moved to 5 June"),
        ("My dentist appointment is on 4 June.", "actually it's the 5th"),
        ("I live in Rome", "I moved to Lyon"),
        ("call me Anna", "call me Ann instead"),
        ("my name is Robert", "call me Bob instead"),
        ("the rent is €900", "the rent is €950"),
        ("the rent is €900", "landlord raised the rent to €950"),
        ("the rent is €900", "the rent was 900, now it's 950"),
        ("the train leaves at 9:30", "The train changed from 9:30 to 10:15."),
        ("my favourite colour is green", "my favourite colour is blue"),
        ("my go-to lunch is ramen", "my go-to lunch is falafel"),
        ("my sister works as a nurse", "my sister works as a welder now"),
        ("I work as a nurse", "I'm working as a welder"),
        ("I get up at 6:10", "I get up at 5:45"),
        ("my boss is Farid", "my boss left, the new one is Greta"),
        ("the party is at 12 Mill Lane", "the party is at 7 Castle Road"),
        ("Mein Zimmer hat die Nummer 214", "Ich hab jetzt Zimmer 380 statt 214"),
        ("Ich wohne in Berlin", "ich bin nach Bremen umgezogen"),
        ("mi alquiler es de €900", "ahora el alquiler es de €950"),
        ("我的房间是214", "我的房间现在是380"),
        ("our standup starts at 9:15", "they moved the stnadup to 9:45"),
    ],
)
def test_the_latest_word_wins_and_the_one_before_is_marked(old, new):
    first, second = keep_facts((), say(old, new))
    assert (first.text, first.replaced, first.by) == (old, 2, at(2))
    assert second.current
    assert second.text.startswith(new)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("my sister Bea is 25", "my sister Ann is 30"),
        ("my cat is called Momo", "my cat is called Rex"),
        ("my flight is on 4 June", "my flight back is on 10 June"),
        ("the meeting starts at 3 pm", "the meeting ends at 4 pm"),
        ("I owe Ben €30", "I owe Ada €50"),
        ("I take 5 mg of metformin", "I also take 8 mg of ramipril"),
        ("my room is 214", "my bike has 21 gears"),
        ("the wifi password is heron42", "call me Ann instead"),
        ("I met Ana at the gym on Monday", "I met Bob at the gym on Friday"),
        ("I work for Acme", "I live in Lyon now"),
        ("my room is 214", "I own 3 bikes now"),
    ],
)
def test_what_speaks_of_another_thing_replaces_nothing(first, second):
    assert tell(first, second) == [first, second]


def test_a_bare_correction_reaches_back_a_few_turns_only():
    assert len(tell("my room is 214", "actually it's 380", every=2)) == 1
    assert len(tell("my room is 214", "actually it's 380", every=9)) == 2


def test_a_correction_that_does_not_name_its_subject_takes_it_along_without_the_old_value():
    texts = tell("My flight LH123 leaves at 9:30 from Berlin", "it's at 10:15 now", "no, 10:45 not 10:15")
    assert len(texts) == 1
    assert texts[0] == "no, 10:45 not 10:15 (of: My flight LH123 leaves at … from Berlin)"


def test_an_answer_is_about_what_was_asked():
    asked = [
        Statement(text="My name is Ann.", turn=1, at=at(1)),
        Statement(text="4711", turn=2, at=at(2), asked="Fine. What is the gate PIN?"),
    ]
    kept = keep_facts((), [*asked, *say("the gate PIN is 4712 now", start=3)])
    assert [item.replaced for item in kept] == [None, 3, None]
    assert kept[1].text == "4711 (asked: What is the gate PIN?)"


def test_every_statement_of_the_old_value_is_replaced():
    kept = keep_facts(
        (), say("my room is 214", "the hotel room number is 214", "they moved me to room 380, not 214")
    )
    assert current(kept) == [kept[-1].text]
    kept = keep_facts((), say("the hotel room is 214", "our room 214 is loud", "they moved us to room 380"))
    assert current(kept) == [kept[-1].text]


def test_what_is_said_again_stands_once():
    assert tell("my room is 214", "By the way, my room is 214!") == ["By the way, my room is 214!"]


def test_a_correction_keeps_the_rank_of_what_it_corrects():
    kept = keep_facts((), say("remember that the alarm is 5819", "actually the alarm is 1111"))
    assert kept[-1].rank == 5


def test_what_stays_in_the_log_replaces_but_is_no_fact_yet_and_is_taken_in_later_once():
    later = say("my room is 380 now", start=9)
    first = keep_facts((), say("my room is 214"), later)
    assert [(item.text, item.replaced) for item in first] == [("my room is 214", 9)]
    second = keep_facts(first, later)
    assert current(second) == ["my room is 380 now"]
    assert second[0].replaced == 9


def test_a_fact_holds_again_when_its_replacement_is_no_longer_there():
    replaced = keep_facts((), say("my room is 214", "my name is Ann"), say("my room is 380 now", start=9))
    assert current(replaced) == ["my name is Ann"]
    assert current(reopen_facts(replaced, [at(9)])) == ["my room is 214", "my name is Ann"]
    assert reopen_facts(replaced, [at(4)]) == replaced


def test_a_locked_fact_is_kept_though_it_is_said_again_and_can_be_corrected():
    locked = [fact("my room is 214", rank=4, locked=True)]
    assert current(keep_facts(locked, say("my room is 214", start=5))) == ["my room is 214"] * 2
    assert current(keep_facts(locked, say("my room is 380", start=5))) == ["my room is 380"]


def test_long_corrections_are_cut():
    old = "My flight LH123 leaves at 9:30 from " + "a very long place " * 12
    assert len(tell(old, "it's at 10:15 now " + "and so on " * 8)[0]) <= FACT_CHARACTERS


def count(text):
    return len(text.split())


def test_locked_facts_stay_first_then_the_higher_rank_then_the_newer():
    facts = [
        fact("old low", 1, rank=1),
        fact("locked low", 2, rank=1, locked=True),
        fact("old high", 3, rank=5),
        fact("new low", 4, rank=1),
    ]
    header = count(FACTS_HEADER)

    def texts(room):
        return [
            item.text
            for item in fit_facts(
                facts, budget_tokens=header + room, locked_tokens=header + room, count=count
            )
        ]

    assert texts(3) == ["locked low"]
    assert texts(6) == ["locked low", "old high"]
    assert texts(9) == ["locked low", "old high", "new low"]
    assert texts(12) == [item.text for item in facts]
    assert texts(-header) == []


def test_locked_facts_have_room_of_their_own():
    facts = [fact("one two three", 1, locked=True), fact("old", 2, rank=5), fact("new", 3, rank=5)]
    header = count(FACTS_HEADER)
    kept = fit_facts(facts, budget_tokens=header + 6, locked_tokens=header + 9, count=count)
    assert [each.text for each in kept] == ["one two three", "new"]
    assert fit_facts(facts[:1], budget_tokens=0, locked_tokens=header + 9, count=count) == (facts[0],)


def test_replaced_facts_take_no_room_and_are_bounded_in_number():
    facts = [fact(f"n{n}", n, replaced=n + 1, by=at(n + 1)) for n in range(1, MOST_REPLACED + 10)]
    kept = fit_facts(facts, budget_tokens=0, locked_tokens=0, count=count)
    assert kept == tuple(facts[-MOST_REPLACED:])


def test_only_what_holds_is_rendered():
    facts = [fact("my room is 214", replaced=2), fact("my room is 380", 2)]
    assert render_facts(facts) == f"{FACTS_HEADER}\n- my room is 380"
    assert render_facts(facts[:1]) == ""


def test_a_fact_is_loaded_as_it_was_dumped():
    for one in (fact("a"), fact("b", 3, locked=True, replaced=4, by=Position(2, 9))):
        assert load_fact(dump_fact(one)) == one


def test_a_claim_reads_what_is_said_of_what():
    claim = read_claim("The rent was 900 and is 950 now")
    assert claim.denied == {"900"}
    assert claim.values == {"figure": {"950"}}
    assert claim.cue
    assert claim.corrects
    assert not read_claim("what a day").corrects
    assert read_claim("Gate PIN: 4711").subject == read_claim("the gate PIN is 4712").subject
    assert find_replaced(read_claim("what a day"), [("my room is 214", 1)]) == []


def test_a_single_word_that_several_facts_share_says_not_which_one_is_corrected():
    said = ["the hotel room is 214", "the meeting room is 12", "they moved my sofa to room 3"]
    assert tell(*said) == said
    assert tell(said[0], said[2])[0].startswith(said[2]), "where one alone can be meant, it is"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("the code of my suitcase is 4711", "suitcase opens with 5822"),
        ("the eye test is on 4 June", "optician can see me on 9 July"),
        ("I live at 6 Mill Lane", "we moved house, it's 9 Castle Road"),
        ("call me on 0151 2345678", "my number changed to 0160 7654321"),
        ("our midwife is Ann", "Greta is looking after us as a midwife"),
        ("I earn a living as a baker", "I make a living as a roofer"),
        ("my neighbour is a baker", "my neighbour works as a roofer"),
        ("the anniversary is 4 June", "argh, 9 July of course"),
        ("the summer camp is in Riga", "camp takes place in Lyon"),
    ],
)
def test_what_may_have_changed_stays_marked_right_before_what_was_said_later(old, new):
    first, second = keep_facts((), say(old, new))
    assert first.current
    assert (first.doubt, first.by, second.doubt) == (2, at(2), None)
    kept = render_facts((first, fact("I own a boat"), second)).split("\n")
    assert kept == [FACTS_HEADER, "- I own a boat", f"- {DOUBTED}{old}", f"- {second.text}"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("the rent is €900", "the room has 45 chairs"),
        ("my sister lives at 6 Mill Lane", "the gallery is at 9 Castle Road"),
        ("our midwife is Ann", "we met Greta at the midwife's"),
        ("my son is a baker", "I make a living as a roofer"),
        ("I am a baker", "I am a roofer"),
        ("the shed opens with 4711", "the shed opens with 5822 too"),
        ("I saw the shed on 4 June", "the shed is painted on 9 July"),
        ("my husband's number is 0151 2345678", "you reach us under 0160 7654321"),
    ],
)
def test_what_hardly_speaks_of_the_same_casts_no_doubt(old, new):
    assert find_doubted(read_claim(new), [(old, 4)]) == []


def test_what_the_assistant_has_just_read_back_is_what_is_corrected():
    said = [("the shed opens with 4711", 1), ("the gate opens with 5822", 2)]
    claim = read_claim("I think 6933 looks better")
    assert find_doubted(claim, said, "So 5822, right?") == [1]
    assert find_doubted(read_claim("what a day"), said, "So 5822, right?") == []


def test_a_value_that_corrects_nothing_and_is_nothing_in_itself_is_no_fact():
    assert tell("er, 4711") == []
    assert tell("the boat is 88 feet long", "er, 91 feet")[-1].startswith("er, 91 feet")


def test_what_is_in_doubt_follows_what_replaces_the_one_behind_it():
    kept = keep_facts(
        (), say("the code of my suitcase is 4711", "suitcase opens with 5822", "no, 6933 not 5822")
    )
    assert [(each.replaced, each.doubt, each.by) for each in kept[:2]] == [(None, 3, at(3)), (3, None, at(3))]
    assert [each.doubt for each in reopen_facts(kept, [at(3)])] == [None, None, None]
    assert load_fact(dump_fact(kept[0])) == kept[0]
    assert load_fact(dump_fact(kept[0])[:-1]).doubt is None, "written before there was doubt"


def test_a_fact_whose_later_word_stands_in_the_log_bears_its_mark_alone():
    kept = keep_facts((), say("the code of my suitcase is 4711"), say("suitcase opens with 5822", start=5))
    assert render_facts(kept) == f"{FACTS_HEADER}\n- {DOUBTED}the code of my suitcase is 4711"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("€900", "money"),
        ("900 euros", "money"),
        ("6 Mill Lane", "address"),
        ("0151 2345678", "phone"),
        ("500 mg", "measured in mg"),
        ("LH123", "code"),
        ("4711", "figure"),
        ("4 June", "day"),
    ],
)
def test_values_have_a_shape(text, shape):
    assert shape_of(find_values(text)[0], text) == shape


@pytest.mark.parametrize(
    "text",
    [
        "It happened three days ago.",
        "I have known them for 4 years.",
        "Wow, Ann! That is so nice.",
        "There is a new TV show.",
    ],
)
def test_when_something_happened_and_who_is_spoken_to_are_no_values(text):
    assert find_values(text) == ()


def test_names_that_lead_a_statement_say_who_somebody_is():
    assert tell("Rosa is my emergency contact", "my emergency contact is Ann now") == [
        "my emergency contact is Ann now"
    ]
    assert (
        read_claim("Rosa is my emergency contact").subject
        == read_claim("my emergency contact is Ann").subject
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("call me on 0151 2345678", "the budget for the call is €900 now"),
        ("I'm in talks with Gatorade", "I like working with Nike now"),
        ("my membership number is 4711", "now the number of my phone is 0160 7654321"),
    ],
)
def test_a_word_of_change_alone_replaces_nothing(first, second):
    assert tell(first, second) == [first, second]


def test_stories_of_another_day_replace_nothing():
    said = read_claim("My son had an accident last Friday at 9:30.")
    assert find_replaced(said, [("My son had an accident last Tuesday at 10:15.", 4)]) == []
