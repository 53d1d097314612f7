"""Conversations keep their slots; what is beside them takes none away."""

from turnkeep.gateway.slots import KEPT_SIZES, Slots


def use(slots, conversation, *, side=False, prompt=None, cached=None):
    """One request from beginning to end; the slot it ran in."""
    pin = slots.take(conversation, side=side)
    if prompt is not None:
        slots.learn(pin, prompt_tokens=prompt, cached_tokens=cached)
    slots.give_back(pin)
    return pin.slot


def test_a_conversation_keeps_its_slot():
    slots = Slots(3)
    places = {name: use(slots, name) for name in "abc"}
    assert sorted(places.values()) == [0, 1, 2]
    assert {name: use(slots, name) for name in "cab"} == places
    assert all(map(slots.holds, "abc"))


def test_a_new_conversation_takes_the_slot_that_was_used_longest_ago():
    slots = Slots(2)
    a, b = use(slots, "a"), use(slots, "b")
    use(slots, "a")
    assert use(slots, "c") == b
    assert not slots.holds("b")
    assert use(slots, "a") == a


def test_a_slot_in_which_a_request_runs_is_not_taken_while_another_is_free():
    slots = Slots(2)
    use(slots, "b")
    running = slots.take("a")
    use(slots, "b")
    assert slots.take("c").slot != running.slot


def test_from_the_first_side_request_on_the_last_slot_is_theirs():
    slots = Slots(3)
    for name in "abc":
        use(slots, name)
    assert use(slots, None, side=True) == 2
    assert {use(slots, name) for name in "abcabc"} == {0, 1}
    assert use(slots, None, side=True) == 2


def test_one_slot_is_shared_by_all():
    slots = Slots(1)
    assert {use(slots, "a"), use(slots, None, side=True), use(slots, "b")} == {0}


def test_a_conversation_that_moves_leaves_nothing_of_its_own_behind():
    slots = Slots(3)
    use(slots, "a"), use(slots, "b"), use(slots, "c")
    use(slots, None, side=True)
    moved = use(slots, "c")
    assert moved != 2
    assert slots.holds("c")


def test_a_whole_prompt_reused_from_another_slots_place_proves_a_host_cache():
    slots = Slots(1)
    use(slots, "a", prompt=300, cached=0)
    use(slots, "b", prompt=300, cached=7)
    assert not slots.host_cache
    use(slots, "a", prompt=330, cached=300)
    assert slots.host_cache
    assert use(Slots(2, host_cache=True), None, side=True) == 0, "then a side request goes anywhere"


def test_a_shared_system_prompt_proves_nothing():
    slots = Slots(1)
    use(slots, "a", prompt=700, cached=0)
    use(slots, "b", prompt=680, cached=600)
    use(slots, "a", prompt=730, cached=600)
    assert not slots.host_cache


def test_what_its_own_slot_kept_proves_nothing():
    slots = Slots(2)
    use(slots, "a", prompt=300, cached=0)
    use(slots, "a", prompt=330, cached=300)
    assert not slots.host_cache


def test_a_cache_that_turns_out_too_small_counts_as_none():
    slots = Slots(1, host_cache=True)
    for name in "ab":
        use(slots, name, prompt=300, cached=0)
    use(slots, "a", prompt=330, cached=3)
    assert not slots.host_cache


def test_an_engine_that_says_nothing_teaches_nothing():
    slots = Slots(1)
    for _ in range(2):
        for name in "ab":
            pin = slots.take(name)
            slots.learn(pin, prompt_tokens=None, cached_tokens=None)
            slots.give_back(pin)
    assert not slots.host_cache


def test_what_is_remembered_of_conversations_is_bounded():
    slots = Slots(2)
    for n in range(KEPT_SIZES + 10):
        use(slots, f"conv_{n}", prompt=100, cached=0)
    assert len(slots._sizes) == KEPT_SIZES
