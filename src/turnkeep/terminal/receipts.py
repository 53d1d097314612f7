"""A receipt as people read it: what the model saw, what it cost, and why it had to read more."""

from collections.abc import Iterator, Sequence

from ..context.receipt import Receipt, TurnRange


def describe_receipt(receipt: Receipt) -> Iterator[tuple[str, str]]:
    """Yield label and sentence pairs, in reading order."""
    counted = "counted by the engine, about" if receipt.exact else "estimated,"
    yield "model", f"{receipt.model} on {receipt.engine}, strategy {receipt.strategy}"
    yield "prompt", f"{_tokens(receipt.prompt_tokens)}, {counted} {_shares(receipt)}"
    yield "window", f"{_tokens(receipt.window)}, of which {receipt.reserve:,} are kept for the reply"
    yield "compaction", f"due above {receipt.high:,} tokens; leaves {receipt.low:,}"
    yield "word for word", describe_turns(receipt.verbatim) or "no earlier turn"
    if receipt.summarised:
        yield "as a summary", describe_turns(receipt.summarised)
    if receipt.left_out:
        yield "left out", f"{describe_turns(receipt.left_out)}; still in the record, see /search"
    if receipt.refused:
        yield "not believed", f"of the last summary: {describe_refused(receipt.refused)}"
    if receipt.recalled:
        yield "recalled", describe_turns([(number, number) for number in receipt.recalled])
    yield "engine", _describe_reading(receipt)
    yield "front", _describe_front(receipt)
    yield "reply", _describe_reply(receipt)
    for notice in receipt.notices:
        yield "notice", notice


def _shares(receipt: Receipt) -> str:
    shares = [
        (receipt.base_tokens, "instructions and summary"),
        (receipt.log_tokens, "earlier turns"),
        (receipt.recalled_tokens, "recalled lines"),
        (receipt.new_tokens, "the new message"),
    ]
    return ", ".join(f"{tokens:,} {what}" for tokens, what in shares if tokens) or "nothing"


def _describe_front(receipt: Receipt) -> str:
    if receipt.moved:
        return f"moved: {receipt.moved}"
    if receipt.verbatim or receipt.summarised or receipt.left_out:
        return "the same as in the last prompt"
    return "no earlier turn stands before this one"


def _describe_reading(receipt: Receipt) -> str:
    if receipt.reused_tokens is None or receipt.read_tokens is None:
        return "did not say what it reused"
    first = "" if receipt.seconds_to_first is None else f"; first word after {receipt.seconds_to_first:.2f} s"
    return f"reused {_tokens(receipt.reused_tokens)} and read {receipt.read_tokens:,}{first}"


def _describe_reply(receipt: Receipt) -> str:
    ends = {
        "stop": "complete",
        "length": "cut off at the limit of tokens",
        "cancelled": "stopped",
        "tool_calls": "asks for a tool",
        "content_filter": "cut off by the engine's filter",
    }
    end = ends.get(receipt.finish_reason or "", "failed")
    limit = ""
    if receipt.max_tokens is not None:
        limit = f" of at most {receipt.max_tokens:,}" if receipt.max_tokens >= 0 else " of what room was left"
    tokens = "" if receipt.reply_tokens is None else f", {_tokens(receipt.reply_tokens)}{limit}"
    speed = "" if receipt.tokens_per_second is None else f", {receipt.tokens_per_second:.0f} tokens/s"
    return f"{end}{tokens}{speed}"


_REFUSALS = {
    "number": "with a number that nobody said so",
    "date": "with a date that nobody said so",
    "code": "with a code that nobody said so",
    "name": "with a name that nobody said so",
    "negation": "denying or claiming what was not",
    "opposite": "saying the opposite",
    "speaker": "about another speaker",
    "unsupported": "that nothing said bears out",
    "vague": "that say nothing",
    "later": "about turns that are still read word for word",
    "instruction": "that give orders",
    "error": "that are an error",
    "remark": "that are no summary",
    "half": "that break off",
}


def describe_refused(refused: Sequence[tuple[str, int]]) -> str:
    """Example: (("name", 1), ("number", 2)) → "1 line with a name that nobody said so, 2 lines with a number ..."."""
    return ", ".join(
        f"{count} line{'' if count == 1 else 's'} {_REFUSALS.get(kind, kind)}" for kind, count in refused
    )


def _tokens(count: int) -> str:
    return f"{count:,} token" if count == 1 else f"{count:,} tokens"


def describe_turns(ranges: Sequence[TurnRange]) -> str:
    """Example: ((1, 3), (5, 5)) → "turns 1-3, 5"."""
    if not ranges:
        return ""
    parts = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return f"turn{'s' if len(parts) > 1 or '-' in parts[0] else ''} {', '.join(parts)}"
