"""Every wording of an error that engines are known to use is understood."""

from typing import Any

import pytest

from turnkeep.conversation.items import FinishReason, Usage
from turnkeep.errors import ContextOverflow, EngineBusy, EngineRefused
from turnkeep.wire.failures import (
    MAX_MESSAGE_CHARS,
    Failure,
    FailureKind,
    classify_failure,
    failure_error,
    suspects_overflow,
)


def error(message: str, **fields: object) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


OVERFLOWS = {
    "llama.cpp": (400, error("request (5010 tokens) exceeds the available context size (4096 tokens), try increasing it", type="exceed_context_size_error", code=400, n_prompt_tokens=5010, n_ctx=4096), 5010, 4096),
    "llama.cpp, message alone": (400, error("request (5010 tokens) exceeds the available context size (4096 tokens), try increasing it"), 5010, 4096),
    "llama.cpp of 2025": (400, error("the request exceeds the available context size. try increasing the context size or enable context shift", type="invalid_request_error"), None, None),
    "vLLM": (400, error("This model's maximum context length is 4096 tokens. However, your prompt contains 5010 input tokens, leaving no room.", type="BadRequestError", param="input_tokens", code=400), 5010, 4096),
    "vLLM, at least": (400, error("This model's maximum context length is 4096 tokens. However, you requested 100 output tokens and your prompt contains at least 5010 input tokens, for a total of at least 5110 tokens."), 5010, 4096),
    "vLLM, characters": (400, error("This model's maximum context length is 4096 tokens. However, you requested 100 output tokens and your prompt contains 90000 characters (more than 65536 characters, which is the upper bound for 4096 input tokens).", param="input_text"), None, 4096),
    "vLLM, input length": (400, error("Input length (5010) exceeds model's maximum context length (4096)."), 5010, 4096),
    "vLLM, max_tokens": (400, error("'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens and your request has 10 input tokens (5000 > 4096 - 10)."), 10, 4096),
    "SGLang": (400, {"object": "error", "message": "The input (5010 tokens) is longer than the model's context length (4096 tokens).", "type": "BadRequestError", "param": None, "code": 400}, 5010, 4096),
    "SGLang, with max_tokens": (400, {"object": "error", "message": "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 5110 tokens: 5010 tokens from the input messages and 100 tokens for the completion.", "code": 400}, 5010, 4096),
    "TabbyAPI": (400, error("Prompt length 5010 exceeds the available context size of 4096 tokens", type="invalid_request_error", code="context_length_exceeded"), 5010, 4096),
    "OpenAI": (400, error("This model's maximum context length is 4,096 tokens. However, your messages resulted in 5,010 tokens.", code="context_length_exceeded", param="messages"), 5010, 4096),
    "llama-cpp-python": (400, error("This model's maximum context length is 4096 tokens, however you requested 5266 tokens (5010 in your prompt; 256 for the completion).", code="context_length_exceeded", param="messages"), 5010, 4096),
    "llama-cpp-python, bare": (500, error("Requested tokens (5010) exceed context window of 4096"), 5010, 4096),
    "LM Studio": (400, {"error": "Trying to keep the first 5010 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough."}, 5010, 4096),
    "LM Studio, keep": (400, {"error": "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length"}, None, None),
    "LM Studio, MLX": (400, {"error": "Context size has been exceeded"}, None, None),
    "Ollama": (400, error("the prompt is longer than the context length currently available to the model; shorten it", type="invalid_request_error", param=None, code=None), None, None),
    "in a stream": (None, {"message": "request (5010 tokens) exceeds the available context size (4096 tokens)", "code": 400, "n_prompt_tokens": 5010, "n_ctx": 4096}, 5010, 4096),
    "by its code alone": (400, error("No.", code="context_length_exceeded"), None, None),
}  # fmt: skip


@pytest.mark.parametrize(("status", "body", "needed", "available"), OVERFLOWS.values(), ids=OVERFLOWS)
def test_an_overflow_is_known_with_its_numbers(
    status: int | None, body: object, needed: int | None, available: int | None
) -> None:
    failure = classify_failure(status, body)
    assert (failure.kind, failure.needed, failure.available) == ("overflow", needed, available)


OTHERS = {
    "llama.cpp, loading": (503, error("Loading model", type="unavailable_error", code=503), "loading"),
    "another, loading": (500, {"error": "The model is still being loaded"}, "loading"),
    "llama.cpp, pool full": (500, error("Context size has been exceeded.", code=500, type="server_error"), "busy"),
    "llama.cpp, pool full, in a stream": (None, {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}, "busy"),
    "Ollama, queue full": (503, error("server busy, please try again.  maximum pending requests exceeded"), "busy"),
    "a gateway": (502, "HTTP 502", "busy"),
    "a gateway, too slow": (504, "", "busy"),
    "too many requests": (429, error("slow down"), "busy"),
    "llama.cpp, key": (401, error("Invalid API Key", type="authentication_error", code=401), "auth"),
    "vLLM, key": (401, {"error": "Unauthorized"}, "auth"),
    "forbidden": (403, "no", "auth"),
    "an auth error with another status": (400, error("Incorrect API key provided"), "auth"),
    "vLLM, model": (404, error("The model `qwen` does not exist.", type="NotFoundError", code=404), "unknown_model"),
    "Ollama, model": (404, error('model "qwen" not found, try pulling it first', type="api_error"), "unknown_model"),
    "LM Studio, model": (400, error("No models loaded. Please load a model in the developer page", code="model_not_found"), "unknown_model"),
    "a Jinja error": (500, error("Jinja Exception: System message must be at the beginning", type="server_error"), "fatal"),
    "mlx-lm": (404, {"error": "Prompt is empty"}, "fatal"),
    "FastAPI": (422, {"detail": "field required"}, "fatal"),
    "no words": (500, "", "fatal"),
    "a plain string": (None, "The model has crashed", "fatal"),
    "not JSON at all": (400, "<<>>", "fatal"),
    "a list": (400, [1, 2], "fatal"),
}  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), OTHERS.values(), ids=OTHERS)
def test_another_error_is_known(status: int | None, body: object, kind: str) -> None:
    assert classify_failure(status, body).kind == kind


def test_a_body_as_text_is_read_as_json_where_it_is_json() -> None:
    assert classify_failure(400, '{"error": {"message": "Bad \\n field"}}').message == "Bad field"
    assert classify_failure(400, '["no"]').message == '["no"]'


def test_the_engines_words_are_shortened() -> None:
    message = classify_failure(500, error("Jinja " * 1000)).message
    assert len(message) <= MAX_MESSAGE_CHARS + 1
    assert message.endswith("…")


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (Failure(kind="overflow", message="too long", needed=9, available=5), ContextOverflow, "too long"),
        (Failure(kind="loading", message="Loading model"), EngineBusy, "still loading"),
        (Failure(kind="busy", message="full"), EngineBusy, "no room"),
        (Failure(kind="auth", message="bad key"), EngineRefused, "--api-key or OPENAI_API_KEY"),
        (Failure(kind="unknown_model", message="no such"), EngineRefused, "--model"),
        (Failure(kind="fatal", message="crashed."), EngineRefused, "crashed."),
    ],
)
def test_a_failure_becomes_an_error_of_one_sentence(
    failure: Failure, kind: type[Exception], words: str
) -> None:
    made = failure_error(failure, "The engine", http_status=400)
    assert type(made) is kind
    assert words in str(made)
    assert str(made).startswith("The engine ")
    assert str(made).endswith(".")
    assert not str(made).endswith("..")


def test_an_engine_that_got_no_key_asks_for_one() -> None:
    made = failure_error(Failure(kind="auth", message="missing key"), "The engine", key_given=False)
    assert str(made).startswith("The engine asks for a key: give it with --api-key or OPENAI_API_KEY (")


@pytest.mark.parametrize("kind", ["loading", "busy"])
def test_the_state_of_a_busy_engine_is_told_without_advice(kind: FailureKind) -> None:
    made = failure_error(Failure(kind=kind, message="x"), "The engine")
    assert isinstance(made, EngineBusy)
    assert str(made).startswith(made.state.removesuffix("."))
    assert "try again" not in made.state


def test_an_overflow_error_carries_the_numbers() -> None:
    made = failure_error(Failure(kind="overflow", message="x", needed=9, available=5), "The engine")
    assert isinstance(made, ContextOverflow)
    assert (made.needed, made.available) == (9, 5)


@pytest.mark.parametrize(
    ("said", "reason", "usage", "suspected"),
    [
        (False, "length", Usage(), True),
        (False, None, Usage(prompt_tokens=10, completion_tokens=0), True),
        (False, "stop", Usage(), False),  # a model may have nothing to say
        (False, "length", Usage(completion_tokens=1), False),  # it said something that is not shown
        (True, "length", Usage(), False),
        (True, None, Usage(), False),
    ],
)
def test_an_empty_reply_cut_by_length_hides_an_overflow(
    said: bool, reason: FinishReason | None, usage: Usage, suspected: bool
) -> None:
    assert suspects_overflow(said_anything=said, finish_reason=reason, usage=usage) is suspected
