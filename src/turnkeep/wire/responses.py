"""A request to the Responses interface, checked once: JSON -> `CreateRequest`.

What cannot be served is refused with a sentence that says so: tools that only their maker can
run, prompt templates, log probabilities. What merely tunes somebody else's machines (service tiers,
prompt cache keys) is echoed and otherwise let be; fields that nobody knows are passed over.

Pure: JSON in, values out; ids are looked up elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ..errors import RequestRefused
from .response_items import CompactNow, Given, Json, parse_input, take_text

Truncation: TypeAlias = Literal["auto", "disabled"]

MOST_PAIRS = 16  # of metadata, and how long its keys and values may be (engines-and-api.md, section B)
KEY_CHARACTERS = 64
VALUE_CHARACTERS = 512

# Fields of the body that engines take under the same name; the second row is not OpenAI's, but local engines'.
PASSED_ON = (
    "top_p", "presence_penalty", "frequency_penalty",
    "top_k", "min_p", "typical_p", "repeat_penalty", "repetition_penalty", "seed", "stop", "logit_bias", "grammar",
    "min_tokens", "ignore_eos",
    "chat_template_kwargs",
)  # fmt: skip
_NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_ECHOED_TEXTS = ("safety_identifier", "prompt_cache_key", "prompt_cache_retention", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """What a client asks for.

    given: the input's items, references and seals still to be resolved.
    store: None where the client leaves it to the server.
    sampling: body fields that the engine takes, sent as given.
    tools: in the form of chat completions; only those that may be called.
    compact_threshold: tokens of the prompt from which on a compaction item is wanted; None: none is.
    echo: fields of the response object that repeat the request; without texts of a conversation.
    """

    given: Sequence[Given]
    instructions: str | None = None
    model: str | None = None
    previous: str | None = None
    conversation: str | None = None
    store: bool | None = None
    stream: bool = False
    background: bool = False
    truncation: Truncation = "disabled"
    temperature: float | None = None
    max_output_tokens: int | None = None
    sampling: Mapping[str, object] = field(default_factory=dict)
    tools: Sequence[Mapping[str, object]] = ()
    compact_threshold: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    echo: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON

    @property
    def compact_now(self) -> bool:
        """Whether a compaction is asked for in place of a reply."""
        return bool(self.given) and isinstance(self.given[-1], CompactNow)


def parse_create(body: object) -> CreateRequest:
    """Read the body of POST /v1/responses (and of its kin that count or compact the same).

    Raises:
        RequestRefused: a field is wrong, or asks for what is not served; `param` names it.
    """
    fields = check_object(body)
    _refuse_unserved(fields)
    previous, conversation = _optional_text(fields, "previous_response_id"), _conversation(fields)
    if previous is not None and conversation is not None:
        raise RequestRefused(
            "previous_response_id and conversation cannot be used together: a response belongs to its "
            "conversation already, so leave one of them out.",
            param="previous_response_id",
        )
    store, background = _optional_bool(fields, "store"), bool(_optional_bool(fields, "background"))
    if background and store is False:
        raise RequestRefused(
            "A background response has to be stored, or nobody could fetch it: leave store out, or "
            "background.",
            param="background",
        )
    tools, choice = parse_tools(fields.get("tools")), fields.get("tool_choice")
    allowed, wire_choice = _parse_choice(choice, tools)
    text = _parse_text(fields.get("text"))
    return CreateRequest(
        given=parse_input(fields.get("input")),
        instructions=_optional_text(fields, "instructions"),
        model=_optional_text(fields, "model"),
        previous=previous,
        conversation=conversation,
        store=store,
        stream=bool(_optional_bool(fields, "stream")),
        background=background,
        truncation=_parse_truncation(fields.get("truncation")),
        temperature=_number(fields, "temperature"),
        max_output_tokens=_parse_max_tokens(fields.get("max_output_tokens")),
        sampling=_sampling(fields, wire_choice if allowed else None, text),
        tools=allowed,
        compact_threshold=_parse_management(fields.get("context_management")),
        metadata=parse_metadata(fields.get("metadata")),
        echo=_echo(fields, tools, choice, text, background),
    )


def check_object(body: object, param: str | None = None) -> Json:
    """Take a JSON object.

    Raises:
        RequestRefused: it is something else.
    """
    if not isinstance(body, dict):
        raise RequestRefused(f"{param or 'The body'} has to be a JSON object.", param=param)
    return body


def parse_metadata(value: object) -> dict[str, str]:
    """Read metadata: up to 16 pairs of short texts.

    Raises:
        RequestRefused: it is not that.
    """
    if value is None:
        return {}
    fits = isinstance(value, dict) and len(value) <= MOST_PAIRS
    if not fits or not all(
        isinstance(text, str) and len(key) <= KEY_CHARACTERS and len(text) <= VALUE_CHARACTERS
        for key, text in value.items()  # type: ignore[attr-defined]  # a dict, as was just seen
    ):
        raise RequestRefused(
            f"metadata has to be an object of at most {MOST_PAIRS} texts: keys of up to {KEY_CHARACTERS} "
            f"characters, values of up to {VALUE_CHARACTERS}.",
            param="metadata",
        )
    return dict(value)  # type: ignore[call-overload, no-any-return]  # likewise


def parse_tools(value: object, param: str = "tools") -> list[Json]:
    """Read function tools into the form that chat completions take.

    Raises:
        RequestRefused: a tool is none of the client's own functions.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise RequestRefused(f"{param} has to be a list.", param=param)
    return [_parse_tool(check_object(tool, f"{param}[{n}]"), f"{param}[{n}]") for n, tool in enumerate(value)]


def _parse_tool(tool: Json, param: str) -> Json:
    kind = tool.get("type")
    if kind != "function":
        raise RequestRefused(
            f"The tool type {str(kind)[:60]!r} is hosted elsewhere and not served here: declare functions of "
            'your own (type "function") and send their outputs.',
            param=f"{param}.type",
            code="unsupported_tool",
        )
    function: Json = {"name": take_text(tool, "name", param)}
    if tool.get("description") is not None:
        function["description"] = take_text(tool, "description", param, empty=True)
    if tool.get("parameters") is not None:
        function["parameters"] = check_object(tool["parameters"], f"{param}.parameters")
    if isinstance(tool.get("strict"), bool):
        function["strict"] = tool["strict"]
    return {"type": "function", "function": function}


def _parse_choice(choice: object, tools: Sequence[Json]) -> tuple[list[Json], object]:
    """The tools that may be called, and the choice among them as chat completions word it; None: the engine's own."""
    named = {tool["function"]["name"]: tool for tool in tools}
    if choice is None or choice in ("auto", "none", "required"):
        return list(tools), choice
    kind = choice.get("type") if isinstance(choice, dict) else None
    if isinstance(choice, dict) and kind == "function":
        name = take_text(choice, "name", "tool_choice")
        _check_known([name], named)
        return list(tools), {"type": "function", "function": {"name": name}}
    if isinstance(choice, dict) and kind == "allowed_tools":
        # A hard limit: what may not be called is not shown to the model at all.
        listed = choice.get("tools")
        if not isinstance(listed, list) or choice.get("mode", "auto") not in ("auto", "required"):
            raise RequestRefused(
                "tool_choice.tools has to be a list, and its mode auto or required.", param="tool_choice"
            )
        names = [
            take_text(check_object(tool, "tool_choice.tools"), "name", "tool_choice.tools") for tool in listed
        ]
        _check_known(names, named)
        return [tool for name, tool in named.items() if name in names], choice.get("mode", "auto")
    raise RequestRefused(
        "tool_choice has to be auto, none, required, one of your functions, or allowed_tools.",
        param="tool_choice",
    )


def _check_known(names: Sequence[str], known: Mapping[str, Json]) -> None:
    for name in names:
        if name not in known:
            raise RequestRefused(
                f"tool_choice names {name[:60]!r}, which is not among the tools.", param="tool_choice"
            )


def _parse_text(value: object) -> Json:
    """Check `text` and fill in what it leaves open."""
    text = check_object(value, "text") if value is not None else {}
    form = text.get("format") or {"type": "text"}
    kind = check_object(form, "text.format").get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise RequestRefused(
            "text.format.type has to be text, json_object or json_schema.", param="text.format"
        )
    if kind == "json_schema":
        take_text(form, "name", "text.format")
        check_object(form.get("schema"), "text.format.schema")
    verbosity = text.get("verbosity")
    if verbosity not in (None, "low", "medium", "high"):
        raise RequestRefused("text.verbosity has to be low, medium or high.", param="text.verbosity")
    return {"format": form} | ({} if verbosity is None else {"verbosity": verbosity})


def _response_format(form: Json) -> Json | None:
    """The format as chat completions word it; None for plain text."""
    if form["type"] == "text":
        return None
    if form["type"] == "json_object":
        return {"type": "json_object"}
    schema = {
        name: form[name] for name in ("name", "description", "schema", "strict") if form.get(name) is not None
    }
    return {"type": "json_schema", "json_schema": schema}


def _sampling(fields: Json, choice: object, text: Json) -> dict[str, object]:
    """The body fields of the engine's request, beyond temperature and the limit of tokens."""
    for name in _NUMBERS:
        _number(fields, name)
    sampling = {name: fields[name] for name in PASSED_ON if fields.get(name) is not None}
    if choice is not None:
        sampling["tool_choice"] = choice
    if fields.get("tools") and _optional_bool(fields, "parallel_tool_calls") is not None:
        sampling["parallel_tool_calls"] = fields["parallel_tool_calls"]
    if (form := _response_format(text["format"])) is not None:
        sampling["response_format"] = form
    effort = check_object(fields.get("reasoning") or {}, "reasoning").get("effort")
    if effort is not None:
        sampling["reasoning_effort"] = take_text({"effort": effort}, "effort", "reasoning")
    return sampling


def _echo(fields: Json, tools: Sequence[Json], choice: object, text: Json, background: bool) -> Json:
    """What the response object repeats of the request; where it may not be null, what an engine would take."""
    reasoning = check_object(fields.get("reasoning") or {}, "reasoning")
    echo: Json = {
        "background": background,
        "max_output_tokens": fields.get("max_output_tokens"),
        "max_tool_calls": _count(fields, "max_tool_calls"),
        "parallel_tool_calls": fields.get("parallel_tool_calls") is not False,
        "reasoning": {"effort": reasoning.get("effort"), "summary": None},
        "service_tier": "default",
        "text": text,
        "tool_choice": "auto" if choice is None else choice,
        "tools": [_show_tool(tool["function"]) for tool in tools],
        "top_logprobs": 0,
        "truncation": fields.get("truncation") or "disabled",
    }
    for name, default in (
        ("temperature", 1.0),
        ("top_p", 1.0),
        ("presence_penalty", 0.0),
        ("frequency_penalty", 0.0),
    ):
        echo[name] = default if fields.get(name) is None else fields[name]
    for name in _ECHOED_TEXTS:
        echo[name] = _optional_text(fields, name)
    return echo


def _show_tool(function: Json) -> Json:
    return {
        "type": "function",
        "name": function["name"],
        "description": function.get("description"),
        "parameters": function.get("parameters"),
        "strict": function.get("strict"),
    }


def _refuse_unserved(fields: Json) -> None:
    if fields.get("prompt") is not None:
        raise RequestRefused(
            "Prompt templates are kept elsewhere and not served here: send the text as instructions and input.",
            param="prompt",
            code="unsupported_parameter",
        )
    include = fields.get("include") or []
    if not isinstance(include, list) or not all(isinstance(name, str) for name in include):
        raise RequestRefused("include has to be a list of texts.", param="include")
    if _count(fields, "top_logprobs") or "message.output_text.logprobs" in include:
        raise RequestRefused(
            "Log probabilities are not kept here: leave top_logprobs and message.output_text.logprobs out.",
            param="top_logprobs",
            code="unsupported_parameter",
        )


def _conversation(fields: Json) -> str | None:
    value = fields.get("conversation")
    if isinstance(value, dict):
        return take_text(value, "id", "conversation")
    return _optional_text(fields, "conversation")


def _parse_truncation(value: object) -> Truncation:
    match value:
        case None | "disabled":
            return "disabled"
        case "auto":
            return "auto"
    raise RequestRefused("truncation has to be auto or disabled.", param="truncation")


def _parse_max_tokens(value: object) -> int | None:
    if value is None or (
        isinstance(value, int) and not isinstance(value, bool) and (value >= 1 or value == -1)
    ):
        return value
    raise RequestRefused(
        "max_output_tokens has to be a whole number of 1 or more, or -1 for the room that is left.",
        param="max_output_tokens",
    )


def _parse_management(value: object) -> int | None:
    """The smallest threshold of the compactions that are asked for; None without any."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise RequestRefused("context_management has to be a list.", param="context_management")
    thresholds: list[int] = []
    for number, entry in enumerate(value):
        param = f"context_management[{number}]"
        if check_object(entry, param).get("type") != "compaction":
            raise RequestRefused(f'{param}.type has to be "compaction".', param=f"{param}.type")
        thresholds.append(_count(entry, "compact_threshold", param) or 0)
    return min(thresholds, default=None)


def _number(fields: Json, name: str) -> float | None:
    value = fields.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6):
        return value
    raise RequestRefused(f"{name} has to be a number.", param=name)


def _count(fields: Json, name: str, param: str = "") -> int | None:
    value = fields.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    name = f"{param}.{name}" if param else name
    raise RequestRefused(f"{name} has to be a whole number of 0 or more.", param=name)


def _optional_text(fields: Json, name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise RequestRefused(f"{name} has to be a text.", param=name)


def _optional_bool(fields: Json, name: str) -> bool | None:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise RequestRefused(f"{name} has to be true or false.", param=name)
