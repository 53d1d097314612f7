from dataclasses import replace

from turnkeep.context.receipt import Receipt
from turnkeep.terminal.receipts import describe_receipt

RECEIPT = Receipt(
    engine="llama.cpp", model="m", strategy="window,summary", window=4_096, reserve=512, high=3_000, low=1_400, exact=True,
    prompt_tokens=1_234, base_tokens=100, log_tokens=1_100, new_tokens=34, verbatim=((3, 9),), summarised=((1, 1),),
    left_out=((2, 2),), finish_reason="stop", engine_prompt_tokens=1_234, reused_tokens=1_200, read_tokens=34,
    reply_tokens=57, seconds_to_first=0.251, tokens_per_second=41.2,
)  # fmt: skip


def test_a_receipt_is_told_in_sentences() -> None:
    assert dict(describe_receipt(RECEIPT)) == {
        "model": "m on llama.cpp, strategy window,summary",
        "prompt": "1,234 tokens, counted by the engine, about 100 instructions and summary, 1,100 earlier turns, 34 the new message",
        "window": "4,096 tokens, of which 512 are kept for the reply",
        "compaction": "due above 3,000 tokens; leaves 1,400",
        "word for word": "turns 3-9",
        "as a summary": "turn 1",
        "left out": "turn 2; still in the record, see /search",
        "engine": "reused 1,200 tokens and read 34; first word after 0.25 s",
        "front": "the same as in the last prompt",
        "reply": "complete, 57 tokens, 41 tokens/s",
    }


def test_why_the_engine_had_to_read_more_is_told() -> None:
    assert dict(describe_receipt(replace(RECEIPT, moved="compaction")))["front"] == "moved: compaction"


def test_lines_that_were_not_believed_are_told() -> None:
    told = dict(describe_receipt(replace(RECEIPT, refused=(("name", 1), ("number", 2), ("new kind", 1)))))
    assert told["not believed"] == (
        "of the last summary: 1 line with a name that nobody said so, 2 lines with a number that nobody said so, "
        "1 line new kind"
    )
    assert "not believed" not in dict(describe_receipt(RECEIPT))


def test_the_first_turn_follows_no_prompt() -> None:
    first = replace(RECEIPT, verbatim=(), summarised=(), left_out=())
    assert dict(describe_receipt(first))["front"] == "no earlier turn stands before this one"


def test_what_nobody_knows_is_not_made_up() -> None:
    bare = Receipt(engine="e", model="m", window=4_096, reserve=512, high=1, low=1)
    told = dict(describe_receipt(bare))
    assert told["prompt"] == "0 tokens, estimated, nothing"
    assert told["engine"] == "did not say what it reused"
    assert told["word for word"] == "no earlier turn"
    assert told["reply"] == "failed"
    assert "as a summary" not in told


def test_notices_and_recalled_turns_are_told() -> None:
    told = list(describe_receipt(replace(RECEIPT, recalled=(1, 4), notices=("One.", "Two."))))
    assert ("recalled", "turns 1, 4") in told
    assert [sentence for label, sentence in told if label == "notice"] == ["One.", "Two."]


def test_every_end_of_a_reply_has_its_words() -> None:
    ends = {
        "length": "cut off at the limit of tokens, 57 tokens of at most 57, 41 tokens/s",
        "cancelled": "stopped, 57 tokens of at most 57, 41 tokens/s",
        "tool_calls": "asks for a tool, 57 tokens of at most 57, 41 tokens/s",
        "content_filter": "cut off by the engine's filter, 57 tokens of at most 57, 41 tokens/s",
    }
    for reason, words in ends.items():
        assert dict(describe_receipt(replace(RECEIPT, finish_reason=reason, max_tokens=57)))["reply"] == words
    left = replace(RECEIPT, max_tokens=-1, reply_tokens=1, tokens_per_second=None)
    assert dict(describe_receipt(left))["reply"] == "complete, 1 token of what room was left"
