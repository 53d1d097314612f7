"""Take lines from what a model answered when it was asked for a summary.

Small models do not obey a format: they answer in bullets, numbers, prose, JSON, tables of
headings, after reasoning, or with an error. Whatever may be a line is taken; whether it
is true is checked afterwards (placing.py). What is an instruction, a remark on the
task, an error or half a sentence is left out here, whoever said it: the base is the system
message, and must hold nothing that reads as an order.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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

# What no line may hold: marks of chat templates and of reasoning, orders to the model.
_ORDER = re.compile(
    r"<\|[^|]*\|>|<\|?/?(?:im_start|im_end|start_of_turn|end_of_turn|system|user|assistant|s|bos|eos|instructions?)\|?>"
    r"|</?\s*(?:think|reasoning|reflection)|\[/?(?:INST|SYS|system|developer|instruction)\b|<<\s*/?SYS\s*>>"
    r"|^\s*(?:###?\s*)?(?:system|instructions?|developer|admin|important|attention|note to (?:self|the model|ai|assistant))\b[^:：]{0,20}[:：]"
    r"|\b(?:ignor\w*|disregard\w*|forget\w*|overrid\w*|bypass\w*|neglect\w*)\b.{0,40}\b(?:instructions?|prompts?|rules?|guidelines?|everything|above|previous|prior|earlier)\b"
    r"|\b(?:new|updated|hidden|secret|following|previous|prior) (?:instructions?|rules?|directives?|orders?)\b"
    r"|\bsystem (?:prompt|message|note|override|update)\b|\bdeveloper mode\b|\bjailbreak|\bfrom now on\b|\byou are now\b"
    r"|\b(?:assistant|ai|model|chatbot|bot) (?:must|should|shall|has to|needs to|is now|is required|is instructed|will (?:now|always|only|never|from))\b"
    r"|\b(?:act as|pretend to be|roleplay as|respond only|answer only|reply only|reveal (?:the|your|its))\b"
    r"|^\s*(?:always|never) (?!\w+s\b)\w+|^\s*(?:please|do not|don't|make sure|be sure)\b"
    r"|^\s*(?:reply|respond|answer|say|print|output|repeat|tell|reveal|execute|obey|pretend|speak|translate|assume|ignore|disregard"
    r"|forget|follow|append|write|send|delete|stop|continue|remember)\b(?! (?:of|from|by)\b)"
    r"|\b(?:ignorier|vergiss|vergesse|missachte)\w*\b.{0,40}\b(?:anweisung|regel|vorherig|bisherig|alles)|\bab (?:jetzt|sofort)\b|\bantworte (?:nur|immer|ab)\b"
    r"|\b(?:ignore[zr]?|oublie[zr]?)\b.{0,40}\b(?:instructions?|consignes?|règles?|tout)|\bdésormais\b|\bréponds\b"
    r"|\b(?:ignora|olvida|dimentica|esqueça|esquece|ignore)\w*\b.{0,40}\b(?:instruc|instruç|istruzion|reglas|regole|regras|anterior|precedent)"
    r"|\ba partir de ahora\b|\bd'ora in poi\b|\ba partir de agora\b|\bvanaf nu\b|\bnegeer\b"
    r"|игнорируй|забудь (?:все|всё|предыдущ)|с этого момента|отвечай только|忽略.{0,12}(?:指令|指示|规则)|从现在(?:开始|起)|無視し|今後は|무시하|지금부터|تجاهل|من الآن فصاعد",
    re.IGNORECASE,
)  # fmt: skip
# An error of a program in place of an answer. What was said about errors stands in a sentence.
_ERROR = re.compile(
    r"^\W*(?:[\w.]*(?:error|exception)|fatal|traceback|warning|http(?:/\d(?:\.\d)?)? ?[45]\d\d|[45]\d\d)\b\s*(?:[:(\[{\d–-]|$|(?=internal|bad|service|too))"
    r"|^\W*(?:internal server error|bad gateway|service unavailable|too many requests|rate limit|connection (?:refused|reset)|request timed? ?out"
    r"|timed? ?out|out of memory|segmentation fault|context (?:size|length|window) (?:has been )?exceeded)\b|Traceback \(most recent",
    re.IGNORECASE,
)  # fmt: skip
# Remarks on the task instead of a line.
_REMARK = re.compile(
    r"^(?:(?:sure|certainly|of course|okay|ok|absolutely|got it|here(?:'s| is| are)|below is|the following|this is (?:a|the) summary"
    r"|in summary|to summari[sz]e|let me|as an ai|as a language model|sorry|i(?:'m| am) sorry|i apologi[sz]e|i(?:'d| would) be happy"
    r"|is there anything|do you want|would you like|let me know|natürlich|gerne|hier (?:ist|sind)|voici|bien sûr|aquí (?:está|tienes)|claro que"
    r"|ecco|certamente|aqui está|claro|hier zijn|natuurlijk|вот|конечно)\b"
    r"|i(?:'ll| will) (?:now |gladly )?(?:list|summari[sz]e|provide|do|help|try)\b|i can(?:not|'t) (?:summari[sz]e|provide|help|assist|fulfil|do)\b"
    r"|summary\s*[:：.]?$|(?:no|nothing|none)(?: (?:new|further|other|more|summary|content|lines|information|facts|to \w+|was said|is open))*[.!]?$"
    r"|(?:n/a|null|undefined|unknown|nan|true|false|empty)\W*$|end of (?:the )?(?:summary|list|lines|conversation)|(?:that(?:'s| is)) all\b"
    r"|以下是|好的|当然|以下は|はい、|네,|다음은)",
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
_ENDS = (".", "!", "?", "。", "！", "？", "…", ".)", '."', "]", ")")
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
    left_out: Counter[str] = Counter()
    found = list(_candidates(_without_reasoning(text), complete=complete))
    for number, line in enumerate(found, 1):
        why = "half" if number == len(found) > 1 and _breaks_off(found) else _why_not(line)
        if why is None:
            lines[line] = None
        elif why:
            left_out[why] += 1
    return Answer(tuple(lines), tuple(sorted(left_out.items())))


def _breaks_off(lines: Sequence[str]) -> bool:
    """Tell whether the last line alone has no end: the model stopped within it, though it says it is done."""
    ended = [line.endswith(_ENDS) for line in lines]
    return not ended[-1] and all(ended[:-1])


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
        value = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return []
    return [""] if isinstance(value, dict) and "error" in value else list(_strings(value))


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
    if _ORDER.search(_SPEAKER.sub("", line)):
        return "instruction"
    if _ERROR.search(line):
        return "error"
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
