"""The log database of the command `llm`: SQLite, in the two forms that it has had.

Until 0.31 each response is a row: prompt, system, reply, with fragments, attachments, tool calls and
results in tables beside it, linked by the response's id. From 0.32 on, messages are rows that hang on
one another by the digest of all that led to them, shared between threads; a turn names the message
it answers and the one it ended with. Both may be in one file; what was written to both has one id.
The file is only read. Its columns hold what they like, whatever their types say, and a damaged one does.
"""

import base64
import json
import sqlite3
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..conversation.items import Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from .imported import ImportedConversation, Json, Unreadable, read_text, read_time
from .piped import File, Piped
from .tree import Node, cut_turns

PROGRAM = "llm"
_MOST_BYTES = 256 * 1024 * 1024  # of one value; beyond it the file is taken for damaged
_LONGEST = 86_400_000  # milliseconds that a reply may take: a day
_CONVERSATION = "coalesce(conversation_id, 'response:' || id)"  # of a response that belongs to none, its own
FILES = "attachments that are no images, or are not in the database"
OTHERS = "pieces of a kind that turnkeep does not know"


def is_log(connection: sqlite3.Connection) -> bool:
    """Tell whether the database is a log of llm's."""
    names = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {"conversations", "responses"} <= names or {"threads", "turns", "messages", "parts"} <= names


def open_log(path: File) -> sqlite3.Connection:
    """Open a log to read; text that is not UTF-8 is read with marks in its place."""
    if isinstance(path, Piped):
        connection = path.open_database()
    else:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = _make_row
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


class _Row(dict[str, Json]):
    """A row by the names of its columns; a column that this version does not have is None."""

    def __missing__(self, name: str) -> None:
        return None

    def text(self, name: str) -> str:
        """The text in a column, "" where there is none.

        Raises:
            Unreadable: something else is there.
        """
        value = self[name]
        if value is None or isinstance(value, str):
            return value or ""
        raise Unreadable(f"{name} is no text")


def _make_row(cursor: sqlite3.Cursor, values: tuple[Json, ...]) -> _Row:
    return _Row(zip((column[0] for column in cursor.description), values, strict=True))


def count_conversations(connection: sqlite3.Connection) -> int:
    """How many there are to read."""
    log = _Log(connection)
    return len(log.threads()) + len(log.conversations())


def read_log(connection: sqlite3.Connection, begin: float) -> Iterator[ImportedConversation | Unreadable]:
    """Yield the conversations, one in memory at a time, in the order in which they were begun.

    In place of one that is not as the log has it, what is wrong with it.
    """
    log = _Log(connection)
    for thread in log.threads():
        yield _try(log.read_thread, thread, begin)
    for key in log.conversations():
        yield _try(log.read_conversation, key, begin)


def _try(
    read: Callable[[Json, float], ImportedConversation], what: Json, begin: float
) -> ImportedConversation | Unreadable:
    try:
        return read(what, begin)
    except Unreadable as error:
        return error


class _Log:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = {row["name"] for row in tables}
        self._known: dict[tuple[str, str], dict[Json, array[int]]] = {}

    def _rows(self, table: str, after: str, *values: Json) -> list[_Row]:
        """Rows of a table, none where this version has no such table, or for a value that no column holds."""
        if table not in self._tables or not all(map(_is_value, values)):
            return []
        return self._connection.execute(f"SELECT * FROM {table} {after}", values).fetchall()  # noqa: S608 - our own names

    def _rows_of(self, table: str, column: str, value: Json, order: str) -> list[_Row]:
        """The rows with a value in a column that llm keeps no index of."""
        found = self._places(table, column, order).get(value, ()) if _is_value(value) else ()
        return [row for place in found for row in self._rows(table, "WHERE rowid = ?", place)]

    def _places(self, table: str, column: str, order: str) -> dict[Json, "array[int]"]:
        """Where in a table the rows with each value of a column are, found in one go and kept."""
        places = self._known.get((table, column))
        if places is None:
            places = self._known[table, column] = {}
            if table in self._tables:
                query = f"SELECT {column} AS value, rowid AS place FROM {table} ORDER BY {order}"  # noqa: S608 - our own names
                for row in self._connection.execute(query):
                    places.setdefault(row["value"], array("q")).append(row["place"])
        return places

    # -- until 0.31 ---------------------------------------------------------------
    def conversations(self) -> list[Json]:
        """Their ids; for a response that belongs to none, its own, marked."""
        threads = {row["id"] for row in self.threads()}
        return [key for key in self._places("responses", _CONVERSATION, "rowid") if key not in threads]

    def read_conversation(self, key: Json, begin: float) -> ImportedConversation:
        if not isinstance(key, str):
            raise Unreadable("the id of a conversation is no text")
        rows = self._rows_of("responses", _CONVERSATION, key, "rowid")
        about = next(iter(self._rows("conversations", "WHERE id = ?", key)), None)
        left_out: Counter[str] = Counter()
        nodes: dict[str, Node] = {}
        last: str | None = None
        for row in rows:
            for messages, time, model in self._response(row, left_out):
                place = f"{row['id']} {len(nodes)}"
                nodes[place] = Node(parent=last, messages=messages, created=time, model=model)
                last = place
        times = [time for row in rows if (time := read_time(row["datetime_utc"]))]
        created = min(times, default=begin)
        return ImportedConversation(
            program=PROGRAM,
            source=key,
            version=str(len(rows)),
            name=None if about is None else about.text("name"),
            created=created,
            updated=max(times, default=None),
            instructions=next(filter(None, map(self._system, rows)), ""),
            turns=cut_turns(nodes, last, created, left_out),
            left_out=left_out,
        )

    def _system(self, row: _Row) -> str:
        return "\n".join(filter(None, [*self._fragments("system_fragments", row["id"]), row.text("system")]))

    def _fragments(self, table: str, response: Json) -> list[str]:
        return [
            text
            for link in self._rows_of(table, "response_id", response, '"order"')
            for text in (self._fragment(link["fragment_id"]),)
        ]

    def _fragment(self, number: Json) -> str:
        rows = self._rows("fragments", "WHERE id = ?", number)
        return rows[0].text("content") if rows else ""

    def _response(
        self, row: _Row, left_out: Counter[str]
    ) -> Iterator[tuple[tuple[Message, ...], float | None, str]]:
        """What was asked, with what tools had answered, and the reply: messages, time and model of each."""
        time = read_time(row["datetime_utc"])
        results = [
            ToolResult(
                call_id=result.text("tool_call_id") or f"call_{result['id']}", text=result.text("output")
            )
            for result in self._rows_of("tool_results", "response_id", row["id"], "id")
        ]
        links = self._rows_of("prompt_attachments", "response_id", row["id"], '"order"')
        images = [part for link in links for part in self._image(link["attachment_id"], left_out)]
        text = "\n".join(filter(None, [*self._fragments("prompt_fragments", row["id"]), row.text("prompt")]))
        asked: list[Message] = [Message("tool", tuple(results))] if results else []
        if text or images or not results:
            asked.append(Message("user", (*((Text(text),) if text or not images else ()), *images)))
        yield tuple(asked), time, ""
        said: list[Part] = [Reasoning(thought)] if (thought := row.text("reasoning")) else []
        if reply := row.text("response"):
            said.append(Text(reply))
        said += [
            ToolCall(
                call_id=call.text("tool_call_id") or f"call_{call['id']}",
                name=call.text("name"),
                arguments=call.text("arguments") or "{}",
            )
            for call in self._rows_of("tool_calls", "response_id", row["id"], "id")
        ]
        model = row.text("resolved_model") or row.text("model")
        yield (Message("assistant", tuple(said) or (Text(""),)),), _ended(time, row["duration_ms"]), model

    def _image(self, key: Json, left_out: Counter[str]) -> Iterator[Part]:
        rows = self._rows("attachments", "WHERE id = ?", key)
        row = rows[0] if rows else None
        kind = "" if row is None else row.text("type")
        if row is not None and kind.startswith("image/") and (row["content"] or row["url"]):
            content = row["content"]
            encoded = base64.b64encode(content).decode() if isinstance(content, bytes) else ""
            yield Image(f"data:{kind};base64,{encoded}" if encoded else row.text("url"))
        else:
            left_out[FILES] += 1

    # -- from 0.32 on -------------------------------------------------------------
    def threads(self) -> list[_Row]:
        return self._rows("threads", "ORDER BY id")

    def read_thread(self, thread: _Row, begin: float) -> ImportedConversation:
        turns = self._rows_of("turns", "thread_id", thread["id"], "id")
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
                model = turn.text("resolved_model") or turn.text("model")
                nodes[key] = Node(
                    parent=parent, messages=(message,), created=time, model=model if answered else ""
                )
        return ImportedConversation(
            program=PROGRAM,
            source=thread.text("id"),
            version=str(len(turns)),
            name=thread.text("name") or None,
            created=created,
            updated=max(times, default=None),
            instructions=instructions,
            turns=cut_turns(nodes, thread.text("tip_message_hash") or None, created, left_out),
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
            parent = rows[0].text("parent_hash") or None
            found.append((tip, parent, self._message(rows[0], left_out)))
            tip = parent
        return found[::-1]

    def _message(self, row: _Row, left_out: Counter[str]) -> Message:
        rows = self._rows_of("parts", "message_hash", row["hash"], "position")
        parts = tuple(part for one in rows for part in self._part(one, left_out))
        match row["role"]:
            case "system" | "user" | "assistant" | "tool" as role:
                return Message(role, parts or (Text(""),))
        raise Unreadable(f"a message has the role {str(row['role'])[:40]!r}")

    def _part(self, row: _Row, left_out: Counter[str]) -> Iterator[Part]:
        body = _load_payload(row)
        text = row.text("text") or "".join(
            self._fragment(piece["fragment"]) if "fragment" in piece else read_text(piece.get("literal"))
            for piece in _list(body.get("text_ref"))
            if isinstance(piece, Mapping)
        )
        match row["type"]:
            case "text":
                yield Text(text)
            case "reasoning" if text:
                yield Reasoning(text)
            case "tool_call":
                yield ToolCall(
                    call_id=read_text(body.get("tool_call_id")) or f"call_{row['id']}",
                    name=read_text(body.get("name")),
                    arguments=json.dumps(body.get("arguments") or {}, ensure_ascii=False),
                )
            case "tool_result":
                left_out[FILES] += len(_list(body.get("attachments")))
                call_id = read_text(body.get("tool_call_id")) or "call"
                yield ToolResult(call_id=call_id, text=read_text(body.get("output")))
            case "attachment":
                about = body.get("attachment")
                yield from self._image(about.get("id") if isinstance(about, Mapping) else None, left_out)
            case "reasoning":
                pass  # withheld by who made it: only that there was some
            case _:
                left_out[OTHERS] += 1


def _load_payload(row: _Row) -> Mapping[str, Json]:
    try:
        body = json.loads(row.text("payload") or "{}")
    except (ValueError, RecursionError) as error:
        raise Unreadable("a piece of a message is not JSON") from error
    if not isinstance(body, Mapping):
        raise Unreadable("a piece of a message is no JSON object")
    return body


def _ended(time: float | None, milliseconds: Json) -> float | None:
    """When a reply had come that was asked for at `time`."""
    took = milliseconds if isinstance(milliseconds, int | float) and 0 <= milliseconds < _LONGEST else 0
    return None if time is None else time + took / 1000


def _is_value(value: Json) -> bool:
    return isinstance(value, str | bytes) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 63)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
