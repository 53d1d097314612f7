"""The log database of the command `llm`: SQLite, in the two forms that it has had.

Until 0.31 each response is a row: prompt, system, reply, with fragments, attachments, tool calls and
results in tables beside it, linked by the response's id. From 0.32 on, messages are rows that hang on
one another by the digest of all that led to them, shared between threads; a turn names the message
it answers and the one it ended with. Both may be in one file; what was written to both has one id.
The file is only read.
"""

import base64
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..conversation.items import Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from .imported import ImportedConversation, Json, Unreadable, read_text, read_time
from .piped import File, Piped
from .tree import Node, cut_turns

PROGRAM = "llm"
FILES = "attachments that are no images, or are not in the database"
OTHERS = "pieces of a kind that turnkeep does not know"


def is_log(connection: sqlite3.Connection) -> bool:
    """Tell whether the database is a log of llm's."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {"conversations", "responses"} <= names or {"threads", "turns", "messages", "parts"} <= names


def open_log(path: File) -> sqlite3.Connection:
    """Open a log to read; text that is not UTF-8 is read with marks in its place."""
    if isinstance(path, Piped):
        connection = path.open_database()
    else:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def count_conversations(connection: sqlite3.Connection) -> int:
    """How many there are to read."""
    log = _Log(connection)
    return len(log.threads()) + len(log.conversations())


def read_log(connection: sqlite3.Connection, begin: float) -> Iterator[ImportedConversation]:
    """Yield the conversations, one in memory at a time, in the order in which they were begun."""
    log = _Log(connection)
    try:
        for thread in log.threads():
            yield log.read_thread(thread, begin)
        for key in log.conversations():
            yield log.read_conversation(key, begin)
    except sqlite3.DatabaseError as error:
        raise Unreadable(f"the database is damaged ({error})") from error


class _Log:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = {row[0] for row in tables}

    def _rows(self, table: str, after: str, *values: object) -> list[sqlite3.Row]:
        """Rows of a table, none where this version has no such table."""
        if table not in self._tables:
            return []
        return self._connection.execute(f"SELECT * FROM {table} {after}", values).fetchall()  # noqa: S608 - our own names

    # -- until 0.31 ---------------------------------------------------------------
    def conversations(self) -> list[str]:
        """Their ids; for a response that belongs to none, its own, marked."""
        threads = {row["id"] for row in self.threads()}
        if "responses" not in self._tables:
            return []
        found = self._connection.execute(
            "SELECT coalesce(conversation_id, 'response:' || id) FROM responses GROUP BY 1 ORDER BY min(rowid)"
        )
        return [key for (key,) in found if key not in threads]

    def read_conversation(self, key: str, begin: float) -> ImportedConversation:
        alone = key.removeprefix("response:")
        where = ("WHERE conversation_id = ?", key) if alone == key else ("WHERE id = ?", alone)
        rows = self._rows("responses", f"{where[0]} ORDER BY rowid", where[1])
        about = next(iter(self._rows("conversations", "WHERE id = ?", key)), None)
        left_out: Counter[str] = Counter()
        nodes: dict[str, Node] = {}
        last: str | None = None
        for row in rows:
            for messages, time, model in self._response(row, left_out):
                key = f"{row['id']} {len(nodes)}"
                nodes[key] = Node(parent=last, messages=messages, created=time, model=model)
                last = key
        times = [time for row in rows if (time := read_time(row["datetime_utc"]))]
        created = min(times, default=begin)
        return ImportedConversation(
            program=PROGRAM,
            source=key,
            version=str(len(rows)),
            name=read_text(about["name"]) if about is not None else None,
            created=created,
            updated=max(times, default=None),
            instructions=next(filter(None, map(self._system, rows)), ""),
            turns=cut_turns(nodes, last, created, left_out),
            left_out=left_out,
        )

    def _system(self, row: sqlite3.Row) -> str:
        return "\n".join(filter(None, [*self._fragments("system_fragments", row["id"]), row["system"]]))

    def _fragments(self, table: str, response: str) -> list[str]:
        return [
            text
            for link in self._rows(table, 'WHERE response_id = ? ORDER BY "order"', response)
            for text in (self._fragment(link["fragment_id"]),)
        ]

    def _fragment(self, number: Json) -> str:
        rows = self._rows("fragments", "WHERE id = ?", number)
        return read_text(rows[0]["content"]) if rows else ""

    def _response(
        self, row: sqlite3.Row, left_out: Counter[str]
    ) -> Iterator[tuple[tuple[Message, ...], float | None, str]]:
        """What was asked, with what tools had answered, and the reply: messages, time and model of each."""
        time = read_time(row["datetime_utc"])
        seconds = (row["duration_ms"] or 0) / 1000
        results = [
            ToolResult(
                call_id=result["tool_call_id"] or f"call_{result['id']}", text=read_text(result["output"])
            )
            for result in self._rows("tool_results", "WHERE response_id = ? ORDER BY id", row["id"])
        ]
        links = self._rows("prompt_attachments", 'WHERE response_id = ? ORDER BY "order"', row["id"])
        images = [part for link in links for part in self._image(link["attachment_id"], left_out)]
        text = "\n".join(filter(None, [*self._fragments("prompt_fragments", row["id"]), row["prompt"]]))
        asked: list[Message] = [Message("tool", tuple(results))] if results else []
        if text or images or not results:
            asked.append(Message("user", (*((Text(text),) if text or not images else ()), *images)))
        yield tuple(asked), time, ""
        thought = read_text(row["reasoning"]) if "reasoning" in row.keys() else ""  # noqa: SIM118 - a row is no mapping
        said: list[Part] = [Reasoning(thought)] if thought else []
        if row["response"]:
            said.append(Text(row["response"]))
        said += [
            ToolCall(
                call_id=call["tool_call_id"] or f"call_{call['id']}",
                name=read_text(call["name"]),
                arguments=read_text(call["arguments"]) or "{}",
            )
            for call in self._rows("tool_calls", "WHERE response_id = ? ORDER BY id", row["id"])
        ]
        ended = None if time is None else time + seconds
        model = (row["resolved_model"] if "resolved_model" in row.keys() else "") or row["model"]  # noqa: SIM118 - as above
        yield (Message("assistant", tuple(said) or (Text(""),)),), ended, read_text(model)

    def _image(self, key: Json, left_out: Counter[str]) -> Iterator[Part]:
        rows = self._rows("attachments", "WHERE id = ?", key)
        row = rows[0] if rows else None
        if row is not None and read_text(row["type"]).startswith("image/") and (row["content"] or row["url"]):
            content = row["content"]
            encoded = base64.b64encode(content).decode() if isinstance(content, bytes) else ""
            yield Image(f"data:{row['type']};base64,{encoded}" if encoded else read_text(row["url"]))
        else:
            left_out[FILES] += 1

    # -- from 0.32 on -------------------------------------------------------------
    def threads(self) -> list[sqlite3.Row]:
        return self._rows("threads", "ORDER BY id")

    def read_thread(self, thread: sqlite3.Row, begin: float) -> ImportedConversation:
        turns = self._rows("turns", "WHERE thread_id = ? ORDER BY id", thread["id"])
        times = [time for turn in turns if (time := read_time(turn["datetime_utc"]))]
        created = min(times, default=read_time(thread["datetime_utc"]) or begin)
        left_out: Counter[str] = Counter()
        nodes: dict[str, Node] = {}
        instructions = ""
        for turn in turns:
            for key, parent, message in self._chain(turn["tip_message_hash"], nodes, left_out):
                if message.role == "system" and parent is None:
                    instructions = instructions or message.text
                    nodes[key] = Node(parent=None, messages=(), created=None)
                    continue
                time, answered = read_time(turn["datetime_utc"]), message.role == "assistant"
                model = read_text(turn["resolved_model"]) or read_text(turn["model"])
                nodes[key] = Node(
                    parent=parent, messages=(message,), created=time, model=model if answered else ""
                )
        return ImportedConversation(
            program=PROGRAM,
            source=thread["id"],
            version=str(len(turns)),
            name=read_text(thread["name"]) or None,
            created=created,
            updated=max(times, default=None),
            instructions=instructions,
            turns=cut_turns(nodes, thread["tip_message_hash"], created, left_out),
            left_out=left_out,
        )

    def _chain(
        self, tip: Json, known: Mapping[str, Node], left_out: Counter[str]
    ) -> Sequence[tuple[str, str | None, Message]]:
        """The messages that lead to `tip` and are not known yet, the first one first."""
        found: list[tuple[str, str | None, Message]] = []
        seen = set(known)
        while isinstance(tip, str) and tip not in seen:
            rows = self._rows("messages", "WHERE hash = ?", tip)
            if not rows:
                break
            seen.add(tip)
            found.append((tip, rows[0]["parent_hash"], self._message(rows[0], left_out)))
            tip = rows[0]["parent_hash"]
        return found[::-1]

    def _message(self, row: sqlite3.Row, left_out: Counter[str]) -> Message:
        rows = self._rows("parts", "WHERE message_hash = ? ORDER BY position", row["hash"])
        parts = tuple(part for one in rows for part in self._part(one, left_out))
        match row["role"]:
            case "system" | "user" | "assistant" | "tool" as role:
                return Message(role, parts or (Text(""),))
        raise Unreadable(f"a message has the role {str(row['role'])[:40]!r}")

    def _part(self, row: sqlite3.Row, left_out: Counter[str]) -> Iterator[Part]:
        try:
            body = json.loads(row["payload"] or "{}")
        except ValueError as error:
            raise Unreadable("a piece of a message is not JSON") from error
        pieces = body.get("text_ref") or []
        text = read_text(row["text"]) or "".join(
            self._fragment(piece["fragment"]) if "fragment" in piece else read_text(piece.get("literal"))
            for piece in pieces
        )
        match row["type"]:
            case "text":
                yield Text(text)
            case "reasoning" if text:
                yield Reasoning(text)
            case "tool_call":
                yield ToolCall(
                    call_id=body.get("tool_call_id") or f"call_{row['id']}",
                    name=read_text(body.get("name")),
                    arguments=json.dumps(body.get("arguments") or {}, ensure_ascii=False),
                )
            case "tool_result":
                left_out[FILES] += len(body.get("attachments") or [])
                call_id = body.get("tool_call_id") or "call"
                yield ToolResult(call_id=call_id, text=read_text(body.get("output")))
            case "attachment":
                yield from self._image((body.get("attachment") or {}).get("id"), left_out)
            case "reasoning":
                pass  # withheld by who made it: only that there was some
            case _:
                left_out[OTHERS] += 1
