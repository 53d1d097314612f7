"""Take lines from what a model answered when it was asked for a summary.

Small models do not obey a format: they answer in bullets, numbers, prose, JSON, tables of
headings, after reasoning, or with an error. Whatever may be a line is taken; whether it
is true is checked afterwards (placing.py). What is an instruction, a remark on the
task, an error or half a sentence is left out here, whoever said it: the base is the system
message, and must hold nothing that reads as an order.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .lexicon import SECOND_PERSON, SPACELESS_SECOND
from .tokens import split_sentences

LINE_CHARACTERS = 300  # a longer line is not a short line: it is taken sentence by sentence

_REASONING = re.compile(
    r"<\s*(think|thinking|thought|reasoning|reflection)\s*>.*?(?:<\s*/\s*\1\s*>|\Z)"
    r"|\[THINK\].*?(?:\[/THINK\]|\Z)|◁think▷.*?(?:◁/think▷|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_REASONING_END = re.compile(
    r"(?:<\s*/\s*(?:think|thinking|thought|reasoning|reflection)\s*>|\[/THINK\]|◁/think▷)", re.IGNORECASE
)
_FENCE = re.compile(r"^\s*(?:```|~~~)\w*\s*$", re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:[-*+•‣●▪◦–—]|\(?\d{1,3}[.):]|\(?[a-z]\)|\[[ xX]?\])\s+")
_HEADING = re.compile(r"^\s*(?:#{1,6}\s|.{0,80}[:：]\s*$|\*\*[^*]+\*\*:?\s*$|[=\-_*|\s]+$)")
_EMPHASIS = re.compile(r"(\*\*|__|`)(?=\S)(.+?)(?<=\S)\1")
_QUOTED = re.compile(r'^[\[{\s]*(?:"[^"]{1,40}"\s*:\s*)?"((?:[^"\\]|\\.)+)"[\s,\]}]*$')
_SPEAKER = re.compile(r"^(?:the\s+)?(user|human|assistant)\s*[:：]\s*", re.IGNORECASE)

# What no line may hold: marks of chat templates, orders to the model, errors of programs.
_FORBIDDEN = re.compile(
    r"<\|[^|]*\|>|<\|?/?(?:im_start|im_end|system|user|assistant|s|instructions?)\|?>|\[/?(?:INST|SYS|system)\]|<<\s*/?SYS\s*>>"
    r"|^\s*(?:###?\s*)?(?:system|instructions?|developer|important|note to (?:self|the model|ai|assistant))\s*[:：]"
    r"|\b(?:ignore|disregard|forget|override|bypass|neglect)\b.{0,40}\b(?:instructions?|prompts?|rules?|guidelines?|everything|above|previous|prior)\b"
    r"|\b(?:ignorier|vergiss|missachte)\w*\b.{0,40}\b(?:anweisung|regel|vorherig|bisherig)"
    r"|\b(?:ignore[zr]?|oublie[zr]?)\b.{0,40}\b(?:instructions?|consignes?|règles?)"
    r"|\b(?:ignora|olvida|dimentica|esqueça)\w*\b.{0,40}\b(?:instruc|istruzion|reglas|regole|regras)"
    r"|игнорируй|забудь (?:все|предыдущ)|忽略.{0,12}(?:指令|指示|规则)|無視し"
    r"|\b(?:from now on|you are now|you must|you should|you will|act as|pretend to be|roleplay as|respond only|answer only"
    r"|always (?:respond|answer|reply|say)|never (?:mention|reveal|tell|say)|do not (?:mention|reveal|tell|follow)"
    r"|reveal (?:the|your)|system prompt|developer mode|jailbreak|ab jetzt|du bist (?:jetzt|nun)|antworte (?:nur|immer))\b"
    r"|^\s*(?:\w+)?(?:error|exception|traceback|warning)\b\s*(?:[:(\d]|$)|\b(?:HTTP(?:/\d\.\d)?|status(?: code)?)\s*[45]\d\d\b|Traceback \(most recent"
    r"|\b(?:internal server error|bad gateway|service unavailable|rate limit|too many requests|context (?:size|length|window)\b.{0,20}exceed\w*"
    r"|out of memory|connection (?:refused|reset)|timed? ?out|stack overflow|null pointer|segmentation fault)\b",
    re.IGNORECASE,
)  # fmt: skip
# Remarks on the task instead of a line.
_REMARK = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|absolutely|here(?:'s| is| are)|below is|the following|this is (?:a|the) summary|summary\b"
    r"|in summary|to summari[sz]e|let me|i(?:'ll| will| can(?:not|'t)?|'m sorry| am sorry| apologi[sz]e|'d be happy)\b|as an ai|as a language model|sorry\b"
    r"|no (?:summary|content|lines|information|facts)\b|nothing (?:to|was|new)\b|none\b|n/a\b|null\b|undefined\b|unknown\b|end of|that(?:'s| is) all"
    r"|is there anything|do you want|would you like|please let me know|natürlich|gerne|hier ist|voici|bien sûr|aquí|claro|ecco|certo|以下是|好的)",
    re.IGNORECASE,
)  # fmt: skip
# Words that no sentence ends with: a line that does was cut off.
_DANGLING = re.compile(
    r"(?:\b(?:the|a|an|of|and|or|to|is|are|was|were|with|named|called|in|on|at|for|that|their|his|her|my|as|by|from|than|has|have|had"
    r"|der|die|das|ein|eine|und|oder|mit|zu|ist|im|am|von|für|heißt|le|la|les|un|une|de|du|et|ou|avec|est|el|los|y|con|es|il|lo|e|di|che)|[,;:(\[{\"“‘„«/&+–—-])$",
    re.IGNORECASE,
)  # fmt: skip
_REFERRING = re.compile(
    r"^(?:he|she|it|they|his|her|its|their|this|that|these|those|also|but|and|er|sie|es|il|elle|él|ella)\b",
    re.IGNORECASE,
)
_SECOND = SECOND_PERSON - {
    "tu",
    "te",
    "ti",
    "ton",
    "ta",
    "sie",
    "ihr",
    "ihnen",
    "ihre",
    "ihren",
    "u",
    "ty",
    "ya",
    "sen",
    "seu",
    "sua",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer holds: lines that may be usable, and how many were left out, by why."""

    lines: tuple[str, ...]
    left_out: tuple[tuple[str, int], ...] = ()


def read_answer(text: str, *, complete: bool) -> Answer:
    """Take the lines from what a model answered.

    Args:
        text: the answer, as it came.
        complete: whether it ended by itself; of one that was cut off the last line is left out.

    Returns:
        Lines without bullets, in order, without repetitions.
    """
    lines: dict[str, None] = {}
    left_out: dict[str, int] = {}
    for line in _candidates(_without_reasoning(text), complete=complete):
        why = _why_not(line)
        if why is None:
            lines[line] = None
        elif why:
            left_out[why] = left_out.get(why, 0) + 1
    return Answer(tuple(lines), tuple(sorted(left_out.items())))


def _without_reasoning(text: str) -> str:
    text = _REASONING.sub("", text)
    return _FENCE.sub("", _REASONING_END.split(text)[-1])  # some templates open the reasoning themselves


def _candidates(text: str, *, complete: bool) -> Iterator[str]:
    """Yield what may be lines, cleaned."""
    raw = list(_parse_json(text) or text.splitlines())
    if not complete and raw:
        raw = raw[:-1] if _BULLET.match(raw[-1]) or len(raw) > 1 else _whole_sentences(raw[-1])
    for line in raw:
        bullet = _BULLET.match(line) is not None
        if not bullet and _HEADING.match(line):
            continue
        yield from _split_line(_clean(line), bullet=bullet)


def _parse_json(text: str) -> list[str]:
    """Read an answer that is JSON: its strings, whatever their place; none when it is not JSON."""
    start, end = (
        min((at for at in (text.find("["), text.find("{")) if at >= 0), default=-1),
        max(text.rfind("]"), text.rfind("}")),
    )
    if start < 0 or text[:start].strip().count("\n") > 1:
        return []
    try:
        return list(_strings(json.loads(text[start : end + 1])))
    except ValueError:
        return []


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _whole_sentences(line: str) -> list[str]:
    return split_sentences(line)[:-1]


def _clean(line: str) -> str:
    """Take bullets, emphasis, quotation marks and wide blanks away."""
    line = _BULLET.sub("", line, count=1)
    if (match := _QUOTED.match(line)) is not None:
        line = match[1].replace('\\"', '"')
    line = " ".join(_EMPHASIS.sub(r"\2", line).split())
    if (
        len(line) > 1
        and (line[0], line[-1]) in (('"', '"'), ("“", "”"), ("'", "'"))
        and line[0] not in line[1:-1]
    ):
        line = line[1:-1].strip()
    return _SPEAKER.sub(lambda match: f"{match[1].lower()}: ", line)


def _split_line(line: str, *, bullet: bool) -> Iterator[str]:
    """Split prose, and what is too long, into sentences; one that refers to the one before stays with it."""
    if bullet and len(line) <= LINE_CHARACTERS:
        yield line
        return
    yield from _join_referring(split_sentences(line))


def _join_referring(sentences: Iterable[str]) -> Iterator[str]:
    joined = ""
    for sentence in sentences:
        if joined and _REFERRING.match(sentence) and len(joined) + len(sentence) < LINE_CHARACTERS:
            joined = f"{joined} {sentence}"
        else:
            if joined:
                yield joined
            joined = sentence
    if joined:
        yield joined


def _why_not(line: str) -> str | None:
    """Say why a line is of no use; None when it may be one, "" when it says nothing at all."""
    if len(line) < 2 or not any(char.isalnum() for char in line):
        return ""
    if _FORBIDDEN.search(line):
        return "instruction"
    if _REMARK.match(line):
        return "remark"
    if _DANGLING.search(line) or len(line) > LINE_CHARACTERS or line.endswith(("?", "？")):
        return "half"
    return "instruction" if _speaks_to_the_model(line) else None


def _speaks_to_the_model(line: str) -> bool:
    """Tell whether a line speaks to somebody: in the system message that would be the model."""
    if _SPEAKER.match(line):
        return False  # quoted: "user: Do you like tea."
    words = {word.strip("\"'“”,;:!?.()").lower().replace("’", "'") for word in line.split()}
    return not _SECOND.isdisjoint(words) or any(mark in line for mark in SPACELESS_SECOND)
