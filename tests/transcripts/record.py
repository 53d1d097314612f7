"""Record the transcripts of llama.cpp anew: python -m tests.transcripts.record

Raw bodies of the real server, with the packaged model. Grammars make it say what a small
model would not say by itself (reasoning, tool calls).
"""

import http.client
import json
import threading
import time
import urllib.parse
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.engines import MODEL, RealEngine

HERMES = """{% if tools %}<|im_start|>system
Tools: {{ tools | tojson }}
Answer with <tool_call>{"name": ..., "arguments": ...}</tool_call><|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% if m.tool_calls %}{% for c in m.tool_calls %}<tool_call>
{{ c.function | tojson }}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

THINKING = """{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
<think>{% endif %}"""

DICE = {
    "type": "function",
    "function": {
        "name": "roll",
        "description": "Roll a die.",
        "parameters": {
            "type": "object",
            "properties": {"sides": {"type": "integer", "enum": [6, 20]}},
            "required": ["sides"],
        },
    },
}
PROMPT_WORDS = 118  # nearly half of the pool: the reply that breaks is short
REX = [
    {"role": "system", "content": "You are kind."},
    {"role": "user", "content": "My dog is called Rex."},
    {"role": "assistant", "content": "Got it."},
    {"role": "user", "content": "What is the name of my dog?"},
]


def ask(url: str, body: dict[str, Any], path: str = "/v1/chat/completions") -> bytes:
    """POST a body; the raw bytes of the answer, chunked coding taken off."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    data = connection.getresponse().read()
    connection.close()
    return data


def stream(messages: list[dict[str, Any]], **fields: object) -> dict[str, Any]:
    return {
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "seed": 7,
        **fields,
    }


def fill_the_pool(url: str) -> bytes:
    """Two long replies at once, in slots that share a pool too small for both: one of them breaks."""
    answers: list[bytes] = []
    body = stream([{"role": "user", "content": "Say much. " * PROMPT_WORDS}], ignore_eos=True, max_tokens=700)
    threads = [threading.Thread(target=lambda: answers.append(ask(url, body))) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)  # the second comes while the first is at work
    for thread in threads:
        thread.join()
    return next(answer for answer in answers if b'"error"' in answer)


def main() -> None:
    folder = Path(__file__).parent / f"llama.cpp-xllamacpp-{version('xllamacpp')}"
    folder.mkdir(exist_ok=True)

    def keep(name: str, data: bytes) -> None:
        (folder / name).write_bytes(data.replace(str(MODEL).encode(), MODEL.name.encode()))
        print(name, len(data))

    plain = RealEngine(window=1024)
    keep("plain.sse", ask(plain.url, stream(REX)))
    keep("progress.sse", ask(plain.url, stream(REX, return_progress=True, cache_prompt=False)))
    keep("length.sse", ask(plain.url, stream(REX, max_tokens=3)))
    keep("whole.json", ask(plain.url, stream(REX) | {"stream": False}))
    keep("overflow.json", ask(plain.url, stream([{"role": "user", "content": "x " * 3000}])))
    keep("bad_field.json", ask(plain.url, stream(REX, max_tokens=-2)))
    keep("unicode.sse", ask(plain.url, stream(REX, grammar='root ::= "naïve 漢字 🎲 \\u2028 end"')))
    plain.stop()
    tools = RealEngine(window=1024, template=HERMES)
    question = [
        {"role": "user", "content": "Roll a die."},
        {"role": "assistant", "content": "<tool_call>\n"},  # begun for the model, which knows no tools
    ]
    blanks = [[blank, -100] for blank in (" ", "\n", "\t", "\n\n", "  ", "\r")]
    call = {"tools": [DICE], "tool_choice": "required", "parallel_tool_calls": False, "logit_bias": blanks}
    keep("tool_calls.sse", ask(tools.url, stream(question, **call)))
    tools.stop()
    thinking = RealEngine(window=1024, template=THINKING)
    keep(
        "reasoning.sse",
        ask(thinking.url, stream(REX, grammar='root ::= "Rex is the dog.</think>It is Rex."')),
    )
    thinking.stop()
    shared = RealEngine(window=1024, n_parallel=2, kv_unified=True)
    keep("pool_full.sse", fill_the_pool(shared.url))
    shared.stop()


if __name__ == "__main__":
    main()
