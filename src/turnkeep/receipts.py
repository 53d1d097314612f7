"""Write a turn's receipt: what its prompt was made of, and why its front moved.

The value itself is context/receipt.py's; turns and prepared turns both write it here.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .context.receipt import Receipt, turn_ranges
from .conversation.items import FinishReason, Usage
from .loading import Past
from .prompt import Desk, Options, Plan
from .store.base import Conversation


def draft_receipt(
    plan: Plan, row: Conversation, options: Options, moved: str | None, **more: Any
) -> Receipt:  # Any: fields of a receipt
    """Write down what a plan makes the model read; `more` is what came of it, if that is known already."""
    info, material = plan.info, plan.material
    return Receipt(
        engine=info.kind,
        model=info.model,
        strategy=str(options.strategy),
        tools=describe_tools(options.tools),
        window=plan.budget.window,
        reserve=plan.budget.reserve,
        high=plan.budget.high,
        low=plan.budget.low,
        view=material.view.number,
        instructions=row.instructions,
        exact=plan.size.exact,
        prompt_tokens=plan.size.tokens,
        base_tokens=material.base_tokens,
        facts_tokens=material.facts_tokens,
        log_tokens=material.log_tokens,
        recalled_tokens=plan.recalled.tokens,
        new_tokens=plan.new_tokens,
        verbatim=turn_ranges([entry.turn for entry in material.entries]),
        summarised=material.view.summarised,
        left_out=material.view.left_out,
        refused=material.view.refused,
        recalled=plan.recalled.turns,
        recalled_by=plan.recalled.by,
        recall_note=plan.recalled.why,
        moved=moved,
        **{"max_tokens": options.max_tokens, **more},
    )


def with_usage(receipt: Receipt, usage: Usage, finish: FinishReason | None) -> Receipt:
    """Add what the engine reported."""
    return replace(receipt, **describe_usage(usage, finish))


def describe_usage(usage: Usage, finish: FinishReason | None) -> dict[str, Any]:  # Any: fields of a receipt
    """What the engine reported, as fields of a receipt."""
    return {
        "finish_reason": finish,
        "engine_prompt_tokens": usage.prompt_tokens,
        "reused_tokens": usage.cached_tokens,
        "read_tokens": usage.read_tokens,
        "reply_tokens": usage.completion_tokens,
    }


def why_moved(past: Past, row: Conversation, plan: Plan, options: Options) -> str | None:
    """Say why the front of the prompt is not that of the last prompt; None when it extends it.

    Args:
        past: the turn before. Turns that hold only a note are passed over: the prompt goes on behind them.
        row: the conversation's row.
        plan: the new prompt.
        options: how it is made.
    """
    if past.forgotten:
        return "forgotten"
    if past.last == 0:
        return None
    if past.before != past.last:
        return "the turn before failed and is left out" if past.failed else "another branch"
    receipt, info = past.receipt, plan.info
    if receipt is None:
        return "the turn before was recorded without a receipt"
    if (receipt.engine, receipt.model) != (info.kind, info.model):
        return "another engine or model"
    if receipt.instructions != row.instructions:
        return "other instructions"
    if receipt.strategy != str(options.strategy):
        return "another strategy"
    if receipt.tools != describe_tools(options.tools):
        return "other tools"
    if receipt.view != plan.material.view.number:
        restored = receipt.view is not None and receipt.view == plan.material.view.restored_over
        return "restored summary" if restored else "compaction"
    return info.template.moves


async def load_forgotten(desk: Desk, last: int, *, first: int) -> set[int]:
    """The turns forgotten since the newest receipt that a turn up to `first` has, as of turn `last`; 0: elsewhere."""
    found: set[int] = set()
    for number in range(last, 0, -1):
        receipt = await desk.store.load_receipt(desk.owner, desk.conversation, number)
        found.update(receipt.get("forgotten", ()) if receipt else ())
        if receipt and number <= first:
            break
    return found


def describe_tools(tools: Sequence[Mapping[str, object]]) -> str:
    """Describe the tools of a request, shortly and always alike, so that a change shows; "" for none."""
    if not tools:
        return ""
    text = json.dumps(list(tools), sort_keys=True)
    return f"{len(tools)} tools, {len(text)} characters, {zlib.crc32(text.encode()):08x}"
