"""The rules are read off rendered text; here with templates written as functions."""

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence

import pytest

from turnkeep.engine.base import TemplateRules
from turnkeep.engine.template import common_length, find_rules
from turnkeep.errors import EngineBusy, EngineRefused
from turnkeep.wire.exchange import WireMessage

Template = Callable[[Sequence[WireMessage], Mapping[str, str]], str]


def rules_of(template: Template, source: str | None = None) -> TemplateRules:
    async def render(messages: Sequence[WireMessage], template_args: Mapping[str, str]) -> str:
        return template(messages, template_args)

    return asyncio.run(find_rules(render, source))


def show(messages: Sequence[WireMessage]) -> str:
    return "".join(f"[{message['role']}]{message['content']}" for message in messages)


def plain(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    return show(messages) + "[assistant]"


def refuse_system(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    if messages[0]["role"] == "system":
        raise EngineRefused("Jinja Exception: System role not supported")
    return plain(messages, args)


def leave_system_out(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    return plain([message for message in messages if message["role"] != "system"], args)


def print_system_late(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    system = [message for message in messages if message["role"] == "system"]
    log = [message for message in messages if message["role"] != "system"]
    return plain([*log[:-1], *system, log[-1]], args)


def strict(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    log = messages[1:] if messages[0]["role"] == "system" else messages
    if any((message["role"] == "user") != (place % 2 == 0) for place, message in enumerate(log)):
        raise EngineRefused("Jinja Exception: Conversation roles must alternate")
    return plain(messages, args)


def drop_log(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    return plain([messages[0], *messages[-1:]], args)


def count(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    return f"{len(messages)} messages" + plain(messages, args)


def count_and_leave_system_out(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    return f"{len(messages)} messages" + leave_system_out(messages, args)


def refuse_all(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    raise EngineRefused("Jinja Exception: Not today.")


def keep_reasoning(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
    return (
        "".join(
            f"[{message['role']}]<{message.get('reasoning_content', '')}>{message['content']}"
            for message in messages
        )
        + "[assistant]"
    )


@pytest.mark.parametrize(
    ("template", "rules"),
    [
        (plain, TemplateRules()),
        (strict, TemplateRules()),
        (keep_reasoning, TemplateRules(drops_reasoning=False)),
        (refuse_system, TemplateRules(base_in="first_user")),
        (leave_system_out, TemplateRules(base_in="first_user")),
        (print_system_late, TemplateRules(base_in="first_user")),
    ],
)
def test_the_base_goes_where_the_front_keeps_still(template: Template, rules: TemplateRules) -> None:
    assert rules_of(template) == rules


@pytest.mark.parametrize(
    ("template", "base_in", "why"),
    [
        (count, "system", "changes the front of the prompt with each turn"),
        (drop_log, "system", "leaves earlier messages out"),
        (count_and_leave_system_out, "first_user", "changes the front of the prompt with each turn"),
        (refuse_all, "system", "refuses an ordinary conversation: Jinja Exception: Not today."),
    ],
)
def test_where_nothing_helps_the_rules_say_why(template: Template, base_in: str, why: str) -> None:
    rules = rules_of(template)
    assert rules.base_in == base_in  # and yet where the model at least reads the instructions
    assert why in (rules.moves or "")


def test_a_date_that_can_be_given_is_pinned() -> None:
    def dated(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
        return args.get("date_string", datetime.date.today().isoformat()) + plain(messages, args)

    source = "{% set date_string = strftime_now('%Y-%m-%d') %}{{ date_string }}"
    assert rules_of(dated, source) == TemplateRules(pins={"date_string": "{date}"})


def test_a_date_under_another_name_is_pinned_too() -> None:
    def dated(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
        return args.get("heute", datetime.date.today().isoformat()) + plain(messages, args)

    source = '{% if not heute is defined %}{%- set heute = strftime_now("%Y-%m-%d") %}{% endif %}{{ heute }}'
    assert rules_of(dated, source).pins == {"heute": "{date}"}


def test_a_date_variable_that_changes_nothing_is_no_pin() -> None:
    assert rules_of(plain, "{# date_string, today #}").pins == {}


def test_a_date_variable_is_tried_where_there_is_no_system_role() -> None:
    def dated(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
        return args.get("today", "x") + refuse_system(messages, args)

    assert rules_of(dated, "{{ today }}").pins == {"today": "{date}"}


def test_a_date_that_cannot_be_given_is_said() -> None:
    def stamped(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
        return f"Current date: {datetime.date.today():%Y-%m-%d}" + plain(messages, args)

    rules = rules_of(stamped, '{{ "Current date: " + strftime_now("%Y-%m-%d") }}')
    assert (rules.base_in, rules.pins) == ("system", {})
    assert "stamps the present date (%Y-%m-%d)" in (rules.moves or "")


def test_a_clock_reading_that_is_not_printed_moves_nothing() -> None:
    assert rules_of(plain, "{% if tools %}{{ strftime_now('%Y-%m-%d') }}{% endif %}") == TemplateRules()


def test_an_engine_that_is_busy_is_not_taken_for_a_strict_template() -> None:
    def busy(messages: Sequence[WireMessage], args: Mapping[str, str]) -> str:
        raise EngineBusy("loading")

    with pytest.raises(EngineBusy):
        rules_of(busy)


@pytest.mark.parametrize(
    ("first", "second", "length"), [("abc", "abd", 2), ("", "a", 0), ("ab", "ab", 2), ("ab", "abc", 2)]
)
def test_a_common_beginning_is_counted(first: str, second: str, length: int) -> None:
    assert common_length(first, second) == length
