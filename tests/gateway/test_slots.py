"""Conversations keep their slots where the engine keeps nothing else; what is beside them takes none away."""

from hypothesis import given
from hypothesis import strategies as st

from turnkeep.gateway.slots import KEPT_SIZES, Slots


def use(slots, conversation, *, side=False, prompt=None, cached=None):
    """One request from beginning to end; the slot it ran in."""
    pin = slots.take(conversation, side=side)
    if prompt is not None:
        slots.learn(pin, prompt_tokens=prompt, cached_tokens=cached)
    slots.give_back(pin)
    return pin.slot


def talk(slots, rounds, names="ab", *, kept):
    """Rounds of growing conversations; what each finds of its last prompt says `kept(slot)`. The slots used."""
    used = []
    for number in range(rounds):
        for name in names:
            pin = slots.take(name)
            prompt = 300 + 20 * number
            cached = (prompt - 20 if kept(pin) else 7) if number else 0
            slots.learn(pin, prompt_tokens=prompt, cached_tokens=cached)
            slots.give_back(pin)
            used.append(pin.slot)
    return used


# -- pinned ---------------------------------------------------------------------------------------


def test_a_conversation_keeps_its_slot():
    slots = Slots(3, pinning=True)
    places = {name: use(slots, name) for name in "abc"}
    assert sorted(places.values()) == [0, 1, 2]
    assert {name: use(slots, name) for name in "cab"} == places
    assert all(map(slots.may_hold, "abc"))


def test_a_new_conversation_takes_the_slot_that_was_used_longest_ago():
    slots = Slots(2, pinning=True)
    a, b = use(slots, "a"), use(slots, "b")
    use(slots, "a")
    assert use(slots, "c") == b
    assert not slots.may_hold("b")
    assert use(slots, "a") == a


def test_a_slot_in_which_a_request_runs_is_not_taken_while_another_is_free():
    slots = Slots(2, pinning=True)
    use(slots, "b")
    running = slots.take("a")
    use(slots, "b")
    assert slots.take("c").slot != running.slot


def test_from_the_first_side_request_on_the_last_slot_is_theirs():
    slots = Slots(3, pinning=True)
    for name in "abc":
        use(slots, name)
    assert use(slots, None, side=True) == 2
    assert {use(slots, name) for name in "abcabc"} == {0, 1}
    assert use(slots, None, side=True) == 2


def test_one_slot_is_shared_by_all():
    slots = Slots(1, pinning=True)
    assert {use(slots, "a"), use(slots, None, side=True), use(slots, "b")} == {0}


def test_a_request_that_extends_no_conversation_goes_where_the_server_finds_it_most_alike():
    assert use(Slots(3, pinning=True), None) is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=60), st.integers(2, 4))
def test_side_requests_never_take_a_slot_that_a_conversation_uses(requests, count):
    slots = Slots(count, pinning=True)
    use(slots, None, side=True)
    for name, side in requests:
        slot = use(slots, None if side else name, side=side)
        assert (slot == count - 1) == side
        assert side or slots.may_hold(name)


# -- learned --------------------------------------------------------------------------------------


def test_nothing_is_pinned_while_prompts_are_found_again():
    slots = Slots(2)
    assert set(talk(slots, 5, "abc", kept=lambda _: True)) == {None}
    assert slots.may_hold("x")


def test_prompts_that_are_gone_after_others_spoke_are_pinned():
    slots = Slots(2)
    used = talk(slots, 6, kept=lambda pin: pin.kept)
    assert set(used[:3]) == {None}
    assert None not in used[-6:]
    assert slots.pinning


def test_prompts_that_are_gone_in_spite_of_a_pin_are_pinned_no_more():
    slots = Slots(2, pinning=True)
    used = talk(slots, 6, kept=lambda pin: pin.slot is None)
    assert None not in used[:3]
    assert set(used[-6:]) == {None}


def test_the_way_that_loses_less_is_kept_to():
    slots = Slots(3)
    lost = {None: 0.4, "pinned": 1.0}
    for number in range(60):
        for name in "abc":
            pin = slots.take(name)
            share = lost[None if pin.slot is None else "pinned"]
            slots.learn(pin, prompt_tokens=1_000 + number, cached_tokens=round((1 - share) * 1_000))
            slots.give_back(pin)
        assert number < 10 or not slots.pinning


def test_a_prompt_that_is_there_though_its_slot_was_taken_needs_no_other_way():
    slots = Slots(1, pinning=True)
    talk(slots, 9, kept=lambda _: True)
    assert slots.pinning


def test_a_shared_system_prompt_is_no_whole_prompt():
    slots = Slots(1)
    for number in range(5):
        for name in "ab":
            use(slots, name, prompt=1_000 + 30 * number, cached=600 if number else 0)
    assert slots.pinning


def test_what_nobody_else_has_taken_proves_nothing():
    slots = Slots(2)
    for number in range(9):
        use(slots, "a", prompt=300 + number, cached=0)
    assert not slots.pinning


def test_a_prompt_that_was_cut_proves_nothing():
    slots = Slots(2)
    for prompt in (900, 300, 200, 100, 50):
        for name in "ab":
            use(slots, name, prompt=prompt, cached=0)
    assert not slots.pinning


def test_an_engine_that_says_nothing_teaches_nothing():
    slots = Slots(1)
    for _ in range(9):
        for name in "ab":
            use(slots, name, prompt=300)
            pin = slots.take(name)
            slots.learn(pin, prompt_tokens=None, cached_tokens=None)
            slots.give_back(pin)
    assert not slots.pinning


def test_what_is_remembered_of_conversations_is_bounded():
    slots = Slots(2)
    for n in range(KEPT_SIZES + 10):
        use(slots, f"conv_{n}", prompt=100, cached=0)
    assert len(slots._last) == KEPT_SIZES
