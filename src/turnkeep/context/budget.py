"""Token budgets: how a context window is shared out.

Marks speak of the whole prompt. The room between the high mark and the window is
there so that a compaction can be asked for, and so that turns go on while it is
being made. Pure arithmetic; all figures are tokens.
"""

from dataclasses import dataclass

SMALLEST_WINDOW = 256  # below it, no instruction, summary and reply fit together
HIGH = (
    0.85  # of the prompt's share; 85/40 reads 2.6 times the ideal in all and 1.0 times while the person waits
)
LOW = 0.40  # (measured on llama.cpp, 200 turns at a window of 4,096; 85/60 doubles the total)
LOW_SUMMARY_ONLY = 0.15  # without `window`, only the newest turns stay beside the summary
READ_AGAIN_SECONDS = 20  # the longest that reading the kept part again after a compaction may take
BASE_SHARE, SUMMARY_SHARE, FACTS_SHARE = 0.25, 0.10, 0.08  # of the prompt's share
RECALL_SHARE, RECALL_MOST = 10, 512  # a tenth of the prompt's share: twelve lines of chat and no more
RESERVE_SHARE, RESERVE_LEAST, RESERVE_MOST = 5, 128, 4096  # a fifth of the window, within these


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many tokens each part of a request may take."""

    window: int  # prompt and reply together
    reserve: int  # kept free for the reply
    high: int  # a prompt above this is due for compaction
    low: int  # what a compaction leaves
    base: int  # instructions, summary and facts together, at most
    summary: int  # the summary's lines, at most
    facts: int = 0  # facts in the user's words, at most
    locked: int = (
        0  # the same with those that the user asked to be kept: all that instructions and summary leave
    )
    recall: int = 0  # lines recalled for one turn, at most
    notice: str | None = None  # a sentence for the person, when the reserve had to be cut

    @property
    def prompt(self) -> int:
        """The most that a prompt may take."""
        return self.window - self.reserve


def share_window(
    window: int,
    *,
    max_tokens: int | None = None,
    reply_tokens: int = 0,
    instruction_tokens: int = 0,
    system_tokens: int = 0,
    read_per_second: float | None = None,
    keep_turns: bool = True,
) -> Budget:
    """Share a context window out.

    Args:
        window: tokens the engine can attend to, prompt and reply together.
        max_tokens: the limit that replies are asked for with; None and -1 leave it open.
        reply_tokens: what replies have needed here so far, reasoning included.
        instruction_tokens: size of the request for a summary; 0 without summaries.
        system_tokens: size of the conversation's instructions; what they leave of the base is for
            summary and facts.
        read_per_second: the engine's measured prefill speed; None when unknown.
        keep_turns: False when only a summary is wanted, so that little stays verbatim.

    Returns:
        A budget with 0 < low < high <= prompt < window, for any window of
        `SMALLEST_WINDOW` or more.
    """
    reserve, notice = _reserve(window, max_tokens, reply_tokens)
    prompt = window - reserve
    base = int(prompt * BASE_SHARE)
    free = max(0, base - system_tokens) / (SUMMARY_SHARE + FACTS_SHARE)
    summary, facts = (int(min(prompt, free) * share) for share in (SUMMARY_SHARE, FACTS_SHARE))
    most = prompt - instruction_tokens - summary if instruction_tokens else prompt
    high = max(min(int(prompt * HIGH), most), prompt // 2)
    low = int(prompt * (LOW if keep_turns else LOW_SUMMARY_ONLY))
    if read_per_second:
        low = min(low, int(READ_AGAIN_SECONDS * read_per_second))
    low = max(1, prompt // 10, min(low, high * 3 // 4))
    return Budget(
        window=window,
        reserve=reserve,
        high=high,
        low=low,
        base=base,
        summary=summary,
        facts=facts,
        locked=max(facts, base - system_tokens - summary),
        recall=min(prompt // RECALL_SHARE, RECALL_MOST),
        notice=notice,
    )


def _reserve(window: int, max_tokens: int | None, reply_tokens: int) -> tuple[int, str | None]:
    if max_tokens is not None and max_tokens > 0:
        wanted = max_tokens
    else:
        wanted = max(min(max(window // RESERVE_SHARE, RESERVE_LEAST), RESERVE_MOST), reply_tokens)
    most = window // 2
    if wanted <= most:
        return wanted, None
    if max_tokens is None or max_tokens <= 0:
        return most, None
    return most, (
        f"Replies may take up to {max_tokens:,} tokens, but the window holds {window:,}: "
        f"{most:,} are kept free for them, so that the conversation has the other half."
    )
