"""Responses, lists and conversations are shown as strict readers want them."""

from typing import Any

import pytest
from openai.pagination import SyncCursorPage
from openai.types.conversations import Conversation, ConversationDeletedResource
from openai.types.responses import Response, ResponseItem, ResponseItemList
from pydantic import TypeAdapter

from turnkeep.conversation.items import user
from turnkeep.wire.response_items import show_reply, show_said
from turnkeep.wire.response_objects import (
    Standing,
    cut_page,
    judge,
    make_list,
    make_response,
    shorten_receipt,
    show_conversation,
    show_deleted,
    show_usage,
)
from turnkeep.wire.responses import parse_create

RECEIPT: dict[str, Any] = {
    "engine": "llama.cpp",
    "model": "m",
    "window": 4096,
    "prompt_tokens": 100,
    "engine_prompt_tokens": 101,
    "reused_tokens": 80,
    "read_tokens": 21,
    "reply_tokens": 7,
    "summarised": [[1, 2]],
    "base_tokens": 3,
}

# What Open Responses wants there and not null, and what may be null.
FILLED = (
    "id", "object", "created_at", "status", "model", "output", "tools", "tool_choice", "truncation",
    "parallel_tool_calls", "text", "top_p", "temperature", "presence_penalty", "frequency_penalty", "top_logprobs",
    "store", "background", "service_tier", "metadata",
)  # fmt: skip
NULLABLE = (
    "completed_at", "previous_response_id", "reasoning", "usage", "max_output_tokens", "max_tool_calls",
    "safety_identifier", "prompt_cache_key", "error", "incomplete_details", "instructions",
)  # fmt: skip


@pytest.mark.parametrize(
    "standing",
    [
        Standing(status="queued"),
        Standing(status="in_progress"),
        Standing(status="completed"),
        Standing(status="incomplete", reason="max_output_tokens"),
        Standing(status="failed", error="No."),
        Standing(status="cancelled"),
    ],
    ids=lambda standing: str(standing.status),
)
@pytest.mark.parametrize("receipt", [None, RECEIPT], ids=["without receipt", "with receipt"])
def test_a_response_holds_what_strict_readers_want(
    standing: Standing, receipt: dict[str, Any] | None
) -> None:
    request = parse_create(
        {
            "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
            "reasoning": {"effort": "low"},
        }
    )
    shown = make_response(
        request.echo,
        standing,
        response_id="resp_1",
        created=1.7,
        model="m",
        metadata={"a": "b"},
        output=[show_reply(["x"], "msg_1")],
        completed=3.2,
        conversation="conv_1",
        instructions="Be brief.",
        receipt=receipt,
    )
    Response.model_validate(shown, strict=True)
    assert [name for name in FILLED if shown[name] is None] == []
    assert [name for name in NULLABLE if name not in shown] == []


def test_only_what_is_complete_has_a_time_of_completion() -> None:
    request = parse_create({})
    for status, at in (("completed", 3), ("cancelled", None)):
        shown = make_response(
            request.echo,
            Standing(status=status),  # type: ignore[arg-type]  # two of the states
            response_id="resp_1",
            created=1.0,
            model="m",
            metadata={},
            completed=3.2,
        )
        assert shown["completed_at"] == at


@pytest.mark.parametrize(
    ("state", "finish", "override", "status"),
    [
        (None, None, "queued", "queued"),
        (None, None, None, "in_progress"),
        ("open", None, None, "in_progress"),
        ("done", "stop", None, "completed"),
        ("done", "tool_calls", None, "completed"),
        ("cut_off", "length", None, "incomplete"),
        ("done", "content_filter", None, "incomplete"),
        ("cut_off", "cancelled", None, "incomplete"),
        ("cut_off", "cancelled", "cancelled", "cancelled"),
        ("failed", None, None, "failed"),
        (None, None, "failed", "failed"),
    ],
)
def test_how_a_response_stands_is_what_its_turn_says(
    state: Any, finish: str | None, override: Any, status: str
) -> None:
    standing = judge(state, finish, override=override)
    assert standing.status == status
    assert standing.ended == (status not in ("queued", "in_progress"))
    last = {"completed": "completed", "queued": "in_progress", "in_progress": "in_progress"}
    assert standing.last_item == last.get(status, "incomplete")
    assert (standing.error is not None) == (status == "failed")
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    assert standing.reason == reasons.get(finish or "")


def test_usage_is_what_the_engine_reported() -> None:
    shown = show_usage(RECEIPT)
    assert shown is not None
    assert (shown["input_tokens"], shown["output_tokens"], shown["total_tokens"]) == (101, 7, 108)
    assert shown["input_tokens_details"]["cached_tokens"] == 80


def test_usage_is_unknown_where_the_engine_is_silent() -> None:
    assert show_usage({"prompt_tokens": 100}) is None
    counted = show_usage({"prompt_tokens": 100, "reply_tokens": 7})
    assert counted is not None
    assert counted["input_tokens"] == 100


def test_a_short_receipt_says_where_it_belongs() -> None:
    told = shorten_receipt(RECEIPT, {"conversation": "conv_1", "turn": 3})
    assert (told["conversation"], told["turn"], told["model"]) == ("conv_1", 3, "m")
    assert (told["read_tokens"], told["reused_tokens"], told["summarised"]) == (21, 80, [[1, 2]])
    assert {"recalled", "moved", "base_tokens"}.isdisjoint(told)


def test_conversations_are_shown_as_the_official_client_knows_them() -> None:
    Conversation.model_validate(show_conversation("conv_1", 1.5, {"a": "b"}), strict=True)
    ConversationDeletedResource.model_validate(show_deleted("conv_1", "conversation"), strict=True)
    assert show_deleted("resp_1", "response")["object"] == "response.deleted"


SHOWN = [show_said(user(str(n)), f"msg_{n}") for n in range(5)]


def ids(page: dict[str, Any]) -> list[str]:
    return [item["id"] for item in page["data"]]


def test_pages_follow_one_another_in_either_order() -> None:
    for order, wanted in (("asc", ["0", "1", "2", "3", "4"]), ("desc", ["4", "3", "2", "1", "0"])):
        found: list[str] = []
        after = None
        while True:
            page = cut_page(SHOWN, limit=2, order=order, after=after)  # type: ignore[arg-type]  # one of two
            found += [item["content"][0]["text"] for item in page["data"]]
            after = page["last_id"]
            if not page["has_more"]:
                break
        assert found == wanted


def test_a_page_behind_an_unknown_item_begins_at_the_first() -> None:
    assert ids(cut_page(SHOWN, limit=2, order="asc", after="msg_9")) == ["msg_0", "msg_1"]


def test_lists_are_shown_as_the_official_client_knows_them() -> None:
    page = cut_page(SHOWN, limit=2, order="asc")
    found = ResponseItemList.model_validate(page, strict=True)
    assert ([item.id for item in found.data], found.has_more) == (["msg_0", "msg_1"], True)
    assert ResponseItemList.model_validate(make_list([], more=False), strict=True).data == []
    walked = TypeAdapter(SyncCursorPage[ResponseItem]).validate_python(page)
    assert [item.id for item in walked.data] == ["msg_0", "msg_1"]
