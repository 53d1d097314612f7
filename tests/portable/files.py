"""Files as other programs write them, made from their documented forms."""

import json
import random
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="


# -- ChatGPT --------------------------------------------------------------------
class ChatGPT:
    """Builds a conversation of conversations.json node by node."""

    def __init__(self, name: str, begin: float = 1_700_000_000.5) -> None:
        self.time = begin
        self.value: dict[str, Any] = {
            "title": name,
            "create_time": begin,
            "update_time": begin,
            "mapping": {"root": {"id": "root", "message": None, "parent": None, "children": []}},
            "moderation_results": [],
            "current_node": "root",
            "conversation_id": f"id-{name}",
            "default_model_slug": "auto",
        }
        self.node("system", "root", [""], metadata={"is_visually_hidden_from_conversation": True})

    def node(self, role: str, parent: str, parts: list[Any], **more: Any) -> str:
        mapping = self.value["mapping"]
        key = f"n{len(mapping)}"
        self.time += 1
        kind = more.pop(
            "content_type", "text" if all(isinstance(p, str) for p in parts) else "multimodal_text"
        )
        content = {"content_type": kind, "parts": parts} if "content" not in more else more.pop("content")
        mapping[key] = {
            "id": key,
            "parent": parent,
            "children": [],
            "message": {
                "id": key,
                "author": {"role": role, "name": more.pop("name", None), "metadata": {}},
                "create_time": self.time,
                "update_time": None,
                "content": content,
                "status": "finished_successfully",
                "end_turn": True,
                "weight": 1,
                "metadata": more.pop("metadata", {"model_slug": "gpt-4o"} if role == "assistant" else {}),
                "recipient": more.pop("recipient", "all"),
                "channel": None,
            },
        }
        mapping[parent]["children"].append(key)
        self.value["current_node"], self.value["update_time"] = key, self.time
        return key


def chatgpt_branches() -> dict[str, Any]:
    """Two answers to one question, an edited question, and the first answer current."""
    chat = ChatGPT("Branches")
    asked = chat.node("user", "n1", ["What is a fen?"])
    first = chat.node("assistant", asked, ["A wet meadow."])
    follow = chat.node("user", first, ["And a bog?"])
    wanted = chat.node("assistant", follow, ["It is fed by rain."])
    chat.node("assistant", asked, ["A kind of mire."], metadata={"model_slug": "o3"})
    edited = chat.node("user", first, ["And a marsh?"])
    chat.node("assistant", edited, ["It has reeds."])
    chat.value["current_node"] = wanted
    return chat.value


def chatgpt_tools() -> dict[str, Any]:
    """Code that a tool ran, a picture that the export only points to, thoughts, and a hidden message."""
    chat = ChatGPT("Tools")
    chat.node("user", "n1", [""], content={
        "content_type": "user_editable_context", "user_profile": "A carpenter.", "user_instructions": "Be short.",
    }, metadata={"is_visually_hidden_from_conversation": True})  # fmt: skip
    asked = chat.node("user", "n2", [
        {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-a1", "width": 4},
        "How long is the board?",
    ])  # fmt: skip
    thought = chat.node("assistant", asked, [], content={
        "content_type": "thoughts", "thoughts": [{"summary": "Measure", "content": "The scale is 1:10."}],
    })  # fmt: skip
    code = chat.node(
        "assistant", thought, [], recipient="python",
        content={"content_type": "code", "language": "python", "text": "12 * 10"},
    )  # fmt: skip
    ran = chat.node(
        "tool", code, [], name="python", content={"content_type": "execution_output", "text": "120"}
    )
    web = chat.node("tool", ran, ["A page about boards."], name="browser")
    chat.node("assistant", web, ["120 cm."])
    return chat.value


def chatgpt_many(count: int, characters: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Conversations of two turns each with texts of about this length."""
    draw = random.Random(seed)
    words = ["board", "nail", "oak", "glue", "über", "日本", "🪵", "saw"]
    for number in range(count):
        chat = ChatGPT(f"Talk {number}", 1_700_000_000.0 + number)
        last = "n1"
        for _ in range(2):
            text = " ".join(draw.choices(words, k=characters // 6))
            last = chat.node("user", last, [text])
            last = chat.node("assistant", last, [text[::-1]])
        yield chat.value


def write_list(path: Path, values: Iterator[Any] | list[Any]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for place, value in enumerate(values):
            file.write((", " if place else "") + json.dumps(value, ensure_ascii=place % 2 == 0))
        file.write("]")
    return path


def write_archive(path: Path, values: list[Any]) -> Path:
    half = len(values) // 2
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("chat.html", "<html></html>")
        archive.writestr("user.json", "{}")
        archive.writestr("conversations-000.json", json.dumps(values[:half]))
        archive.writestr("conversations-001.json", json.dumps(values[half:]))
    return path


# -- Open WebUI -----------------------------------------------------------------
DETAILS = (
    '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n'
    "&gt; Is it rain?\n&gt; \n&gt; I look.\n</details>\n"
)
CALLED = (
    '<details type="tool_calls" done="true" id="call_9" name="weather" '
    'arguments="&quot;{\\&quot;city\\&quot;: \\&quot;Ulm\\&quot;}&quot;" result="&quot;wet&quot;" files="" embeds="">\n'
    "<summary>Tool Executed</summary>\n</details>\n"
)


def openwebui_chat(key: str = "c1", name: str = "Weather") -> dict[str, Any]:
    messages = {
        "u1": {
            "id": "u1", "parentId": None, "childrenIds": ["a1", "a2"], "role": "user", "content": "Rain today?",
            "timestamp": 1_710_000_001, "models": ["llama3"],
            "files": [{"type": "image", "url": PIXEL}, {"type": "file", "id": "f1", "name": "map.pdf"}],
        },
        "a1": {
            "id": "a1", "parentId": "u1", "childrenIds": [], "role": "assistant", "content": "Perhaps.",
            "model": "llama3", "modelName": "Llama 3", "timestamp": 1_710_000_002, "done": True,
        },
        "a2": {
            "id": "a2", "parentId": "u1", "childrenIds": ["u2"], "role": "assistant",
            "content": DETAILS + CALLED + "It is wet.", "model": "qwen3", "timestamp": 1_710_000_003, "done": True,
        },
        "u2": {
            "id": "u2", "parentId": "a2", "childrenIds": [], "role": "user", "content": "And tomorrow?",
            "timestamp": 1_710_000_004,
        },
    }  # fmt: skip
    return {
        "id": key,
        "user_id": "someone",
        "title": name,
        "chat": {
            "id": "",
            "title": name,
            "models": ["llama3"],
            "params": {"system": "Speak of weather."},
            "history": {"messages": messages, "currentId": "u2"},
            "messages": [messages["u1"], messages["a2"], messages["u2"]],
            "tags": [],
            "timestamp": 1_710_000_000_123,
        },
        "updated_at": 1_710_000_009,
        "created_at": 1_710_000_000,
        "share_id": None,
        "archived": False,
        "pinned": False,
        "meta": {},
        "folder_id": None,
    }


# -- SillyTavern ----------------------------------------------------------------
def sillytavern_lines() -> list[dict[str, Any]]:
    return [
        {
            "user_name": "Ana", "character_name": "Aqua", "create_date": "2023-10-02@19h30m10s",
            "chat_metadata": {"integrity": "u-1", "note_prompt": ""},
        },
        {
            "name": "Aqua", "is_user": False, "is_system": False, "send_date": "October 2, 2023 7:30pm",
            "mes": "Welcome!", "extra": {}, "swipe_id": 0, "swipes": ["Welcome!", "Hello there!"],
            "swipe_info": [{"send_date": "October 2, 2023 7:30pm", "extra": {}}, {"extra": {}}],
        },
        {"name": "Ana", "is_user": True, "is_system": False, "send_date": "October 2, 2023 7:31pm", "mes": "Hi.", "extra": {}},
        {
            "name": "Aqua", "is_user": False, "is_system": False, "send_date": "2023-10-02T19:32:00.000Z",
            "mes": "The river is high.", "swipe_id": 1,
            "swipes": ["A river!", "The river is high."],
            "swipe_info": [
                {"send_date": "2023-10-02T19:31:30.000Z", "extra": {"model": "mythomax", "reasoning": "River?"}},
                {"send_date": "2023-10-02T19:32:00.000Z", "extra": {"model": "mixtral"}},
            ],
            "extra": {"api": "koboldcpp", "model": "mixtral"},
        },
        {"name": "Ana", "is_user": True, "is_system": False, "send_date": 1_696_275_240_000, "mes": "How high?", "extra": {"image": "a.png"}},
        {"name": "Note", "is_user": False, "is_system": True, "send_date": 1_696_275_250_000, "mes": "Hidden.", "extra": {}},
        {"name": "Rex", "is_user": False, "is_system": False, "send_date": 1_696_275_300_000, "mes": "Very.", "extra": {}},
    ]  # fmt: skip


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


# -- llm ------------------------------------------------------------------------
OLD_LOG = """
CREATE TABLE conversations (id TEXT PRIMARY KEY, name TEXT, model TEXT);
CREATE TABLE attachments (id TEXT PRIMARY KEY, type TEXT, path TEXT, url TEXT, content BLOB);
CREATE TABLE prompt_attachments (response_id TEXT, attachment_id TEXT, "order" INTEGER);
CREATE TABLE responses (id TEXT PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, prompt_json TEXT,
    options_json TEXT, response TEXT, response_json TEXT, conversation_id TEXT, duration_ms INTEGER,
    datetime_utc TEXT, input_tokens INTEGER, output_tokens INTEGER, token_details TEXT, schema_id TEXT,
    resolved_model TEXT);
CREATE TABLE fragments (id INTEGER PRIMARY KEY, hash TEXT, content TEXT, datetime_utc TEXT, source TEXT);
CREATE TABLE prompt_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER);
CREATE TABLE system_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER);
CREATE TABLE tool_calls (id INTEGER PRIMARY KEY, response_id TEXT, tool_id INTEGER, name TEXT, arguments TEXT, tool_call_id TEXT);
CREATE TABLE tool_results (id INTEGER PRIMARY KEY, response_id TEXT, tool_id INTEGER, name TEXT, output TEXT,
    tool_call_id TEXT, instance_id INTEGER, exception TEXT);
"""
NEW_LOG = """
CREATE TABLE threads (id TEXT PRIMARY KEY, name TEXT, tip_message_hash TEXT, forked_from TEXT, datetime_utc TEXT);
CREATE TABLE turns (id TEXT PRIMARY KEY, thread_id TEXT, parent_message_hash TEXT, tip_message_hash TEXT, model TEXT,
    resolved_model TEXT, options_json TEXT, datetime_utc TEXT);
CREATE TABLE messages (hash TEXT PRIMARY KEY, parent_hash TEXT, role TEXT, provider_metadata TEXT);
CREATE TABLE parts (id INTEGER PRIMARY KEY, message_hash TEXT, position INTEGER, type TEXT, tool_name TEXT, text TEXT, payload TEXT);
"""


def write_log(path: Path, *, both: bool = True) -> Path:
    """A log with both generations of tables; one conversation stands in both."""
    log = sqlite3.connect(path)
    log.executescript(OLD_LOG)
    log.execute("INSERT INTO conversations VALUES ('c1', 'Fens', 'm')")
    log.execute("INSERT INTO fragments VALUES (1, 'h', 'A text about fens.', '', NULL)")
    log.execute("INSERT INTO attachments VALUES ('a', 'image/png', NULL, NULL, ?)", (b"\x89PNG",))
    log.execute("INSERT INTO attachments VALUES ('b', 'audio/wav', '/tmp/b.wav', NULL, NULL)")
    for number, (prompt, system, reply, key) in enumerate(
        [
            ("What is a fen?", "Be brief.", "A mire.", "c1"),
            ("", None, "", "c1"),
            ("", None, "It is 7.", "c1"),
            ("Alone.", None, "Yes.", None),
        ]
    ):
        log.execute(
            "INSERT INTO responses (id, model, prompt, system, response, conversation_id, duration_ms, datetime_utc) "
            "VALUES (?, 'gpt-4o-mini', ?, ?, ?, ?, 500, ?)",
            (f"r{number}", prompt, system, reply, key, f"2025-01-02T03:04:0{number}.500000"),
        )
    log.execute("INSERT INTO prompt_fragments VALUES ('r0', 1, 0)")
    log.executemany("INSERT INTO prompt_attachments VALUES ('r0', ?, ?)", [("a", 0), ("b", 1)])
    log.execute("UPDATE responses SET prompt = 'Count.' WHERE id = 'r1'")
    log.execute("INSERT INTO tool_calls VALUES (1, 'r1', 1, 'count', '{\"n\": 7}', 'tc1')")
    log.execute("INSERT INTO tool_results VALUES (1, 'r2', 1, 'count', '7', 'tc1', NULL, NULL)")
    if both:
        _write_threads(log)
    log.commit()
    log.close()
    return path


def _write_threads(log: sqlite3.Connection) -> None:
    log.executescript(NEW_LOG)
    log.execute("INSERT INTO threads VALUES ('t1', 'Bogs', 'm5', NULL, '2026-01-01 00:00:00+00:00')")
    messages = [
        ("m0", None, "system", "text", "Be kind.", None),
        ("m1", "m0", "user", "text", None, '{"text_ref": [{"fragment": 1}, {"literal": "\\nSo?"}]}'),
        ("m2", "m1", "assistant", "text", "Well.", None),
        (
            "m3",
            "m1",
            "assistant",
            "tool_call",
            None,
            '{"name": "up", "arguments": {"t": "x"}, "tool_call_id": "k"}',
        ),
        ("m4", "m3", "tool", "tool_result", None, '{"name": "up", "output": "X", "tool_call_id": "k"}'),
        ("m5", "m4", "assistant", "text", "X it is.", None),
    ]
    for key, parent, role, kind, text, payload in messages:
        log.execute("INSERT INTO messages VALUES (?, ?, ?, NULL)", (key, parent, role))
        log.execute(
            "INSERT INTO parts (message_hash, position, type, text, payload) VALUES (?, 0, ?, ?, ?)",
            (key, kind, text, payload),
        )
    for key, parent, tip in (("t-1", "m1", "m2"), ("t-2", "m1", "m3"), ("t-3", "m4", "m5")):
        log.execute(
            "INSERT INTO turns VALUES (?, 't1', ?, ?, 'alias', 'real-model', NULL, ?)",
            (key, parent, tip, f"2026-01-01T00:00:0{key[-1]}+00:00"),
        )


# -- OpenAI messages --------------------------------------------------------------
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [
        {"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]},
    {"role": "assistant", "content": "", "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}},
        {"id": "call_2", "type": "function", "function": {"name": "smell", "arguments": "{}"}},
    ]},
    {"role": "tool", "tool_call_id": "call_1", "content": "a dot"},
    {"role": "tool", "tool_call_id": "call_2", "content": "nothing"},
    {"role": "assistant", "content": "A dot."},
    {"role": "user", "content": "Thanks."},
    {"role": "assistant", "content": "Gladly."},
]  # fmt: skip
