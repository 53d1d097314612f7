"""Objects of the Responses and Conversations interfaces: responses, lists, conversations, receipts.

The union of what OpenAI's clients and the Open Responses specification require is there, so that strict
readers of either are content. A response is made from its turn whenever it is asked for:
nothing that was said is kept in it a second time.

Pure: values in, JSON out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..conversation.items import TurnState
from .response_items import ItemStatus, Json

ResponseState: TypeAlias = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
Order: TypeAlias = Literal["asc", "desc"]

# What of a receipt travels with each reply; the whole one stays in the record.
_RECEIPT = (
    "engine", "window", "prompt_tokens", "read_tokens", "reused_tokens", "reply_tokens", "verbatim", "summarised",
    "recalled", "left_out", "moved", "notices", "seconds_to_first",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a response stands. `error`: why it failed; `reason`: why it is incomplete, where that has a name."""

    status: ResponseState
    error: str | None = None
    reason: Literal["max_output_tokens", "content_filter"] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in ("queued", "in_progress")

    @property
    def last_item(self) -> ItemStatus:
        """The status of its last item: what was cut short is incomplete."""
        if self.ended:
            return "completed" if self.status == "completed" else "incomplete"
        return "in_progress"


def judge(
    state: TurnState | None,
    finish_reason: str | None,
    *,
    override: Literal["queued", "cancelled", "failed"] | None = None,
    error: str | None = None,
) -> Standing:
    """Say how a response stands.

    Args:
        state: of its turn; None while there is none yet.
        finish_reason: why the engine stopped, once it has.
        override: what was decided beside the turn.
        error: why it failed.
    """
    if override == "cancelled":
        return Standing(status="cancelled")
    if override == "failed" or state == "failed":
        return Standing(status="failed", error=error or "The turn failed.")
    if state is None:
        return Standing(status="queued" if override == "queued" else "in_progress")
    if state == "open":
        return Standing(status="in_progress")
    if finish_reason == "length":
        return Standing(status="incomplete", reason="max_output_tokens")
    if finish_reason == "content_filter":
        return Standing(status="incomplete", reason="content_filter")
    # Cut off by a client that hung up: the interface has no name for that reason.
    return Standing(status="completed" if state == "done" else "incomplete")


def make_response(
    echo: Mapping[str, Any],  # Any: JSON, here and below
    standing: Standing,
    *,
    response_id: str,
    created: float,
    model: str,
    metadata: Mapping[str, str],
    output: Sequence[Json] = (),
    completed: float | None = None,
    previous: str | None = None,
    conversation: str | None = None,
    instructions: str | None = None,
    receipt: Mapping[str, Any] | None = None,
    store: bool = True,
    place: Mapping[str, Any] | None = None,
) -> Json:
    """Make a response object.

    Args:
        echo: the fields that repeat the request (responses.py).
        standing: how it stands.
        response_id: its id.
        created: when it was asked for, in seconds.
        model: the engine's model.
        metadata: the client's own.
        output: its items.
        completed: when it ended.
        previous: the response that it continues.
        conversation: the conversation that the client named.
        instructions: this request's.
        receipt: the turn's (context/receipt.py), once there is one.
        store: whether it can be asked for again.
        place: where in the record it stands, for the receipt: conversation and turn.
    """
    return {
        "id": response_id,
        "object": "response",
        **_show_course(standing, created, completed),
        "conversation": None if conversation is None else {"id": conversation},
        "previous_response_id": previous,
        "instructions": instructions or None,
        "model": model,
        "output": list(output),
        "store": store,
        "metadata": dict(metadata),
        **echo,
        **_show_receipt(receipt, place or {}),
    }


def _show_course(standing: Standing, created: float, completed: float | None) -> Json:
    """Say how a response stands and since when, and why where it is not whole."""
    failed = None if standing.error is None else {"code": "server_error", "message": standing.error}
    return {
        "created_at": int(created),
        "completed_at": int(completed) if completed and standing.status == "completed" else None,
        "status": standing.status,
        "error": failed,
        "incomplete_details": None if standing.reason is None else {"reason": standing.reason},
    }


def _show_receipt(receipt: Mapping[str, Any] | None, place: Mapping[str, Any]) -> Json:
    """Show what a turn took, once there is a receipt of it."""
    if receipt is None:
        return {"usage": None, "turnkeep": None}
    return {"usage": show_usage(receipt), "turnkeep": shorten_receipt(receipt, place)}


def show_usage(receipt: Mapping[str, Any]) -> Json | None:
    """Show the tokens of a response; None where the engine did not say how long its reply was.

    What it does not say of its cache is shown as 0, since a number is asked for; the receipt knows better.
    """
    reply = receipt.get("reply_tokens")
    if reply is None:
        return None
    prompt = receipt.get("engine_prompt_tokens")
    prompt = receipt.get("prompt_tokens", 0) if prompt is None else prompt
    return make_usage(prompt, receipt.get("reused_tokens") or 0, reply)


def make_usage(prompt_tokens: int, cached_tokens: int, reply_tokens: int) -> Json:
    """Make a usage object; engines do not tell reasoning apart."""
    return {
        "input_tokens": prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens, "cache_write_tokens": 0},
        "output_tokens": reply_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt_tokens + reply_tokens,
    }


def shorten_receipt(receipt: Mapping[str, Any], place: Mapping[str, Any]) -> Json:
    """Take what of a receipt travels with a reply: what was read, reused, summarised, recalled, left out, and why.

    What is not there is unknown or empty.

    Args:
        receipt: as context/receipt.py dumps it.
        place: more to tell, first: conversation, turn.
    """
    told = {**place, "model": receipt.get("model"), **{name: receipt.get(name) for name in _RECEIPT}}
    return {name: value for name, value in told.items() if value not in (None, "", [], ())}


def show_conversation(conversation: str, created: float, metadata: Mapping[str, str]) -> Json:
    """Show a conversation."""
    return {
        "id": conversation,
        "object": "conversation",
        "created_at": int(created),
        "metadata": dict(metadata),
    }


def show_deleted(gone: str, kind: Literal["response", "conversation"]) -> Json:
    """Say that something was deleted."""
    return {"id": gone, "object": f"{kind}.deleted", "deleted": True}


def make_list(data: Sequence[Json], *, more: bool) -> Json:
    """Make a list object; readers want texts for the ids, so they are empty where there is nothing."""
    return {
        "object": "list",
        "data": list(data),
        "first_id": data[0]["id"] if data else "",
        "last_id": data[-1]["id"] if data else "",
        "has_more": more,
    }


def cut_page(shown: Sequence[Json], *, limit: int, order: Order, after: str | None = None) -> Json:
    """Cut a page out of a list that is there whole.

    Args:
        shown: all items, oldest first.
        limit: how many the page holds at most.
        order: asc shows the oldest first.
        after: the id behind which the page begins; one that is not there begins at the first.
    """
    ordered = list(shown) if order == "asc" else list(reversed(shown))
    places = [place for place, item in enumerate(ordered) if item["id"] == after]
    rest = ordered[places[0] + 1 :] if places else ordered
    return make_list(rest[:limit], more=len(rest) > limit)
