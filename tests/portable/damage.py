"""Damage a file as accidents and malice do: bytes, and values in their places."""

import contextlib
import json
import random
import sqlite3
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MARK = "\x1aplace\x1a"  # stands for the value that is put there as text
NUMBERS = (
    "1e999",
    "-1e999",
    "NaN",
    "-Infinity",
    "9" * 400,
    "-" + "9" * 400,
    "9" * 5_000,
    "1e308",
    str(1 << 63),
    "-1",
)
OTHERS = ("null", "true", "[]", "{}", '""', "7", "0.5", "[[]]", '{"a": {"b": null}}', '["a", 7, null]', '"x"')
TEXTS = (
    r'"\ud800"',
    r'"a\udfffb \ud83d"',
    r'"\u0000"',
    r'"a\u0000b"',
    r'"\u2028\u202e\ufeff"',
    '"' + "x" * 70_000 + '"',
)
DEPTHS = (90, 900, 20_000, 300_000)
LENGTHS = (0x3FFF_FFFF, 0x4000_0000, 0x7FFF_FFFF, 0xFFFF_FFFF)  # bytes that are said to come: 1 to 4 GB


def damage_bytes(content: bytes, draw: random.Random) -> bytes:
    """Flip, cut, take out, double or exchange."""
    place = draw.randrange(len(content))
    end = min(len(content), place + draw.choice((1, 8, 100, 5_000)))
    match draw.randrange(6):
        case 0:
            changed = bytearray(content)
            for _ in range(draw.randint(1, 8)):
                changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
            return bytes(changed)
        case 1:
            return content[:place]
        case 2:
            return content[:place] + content[end:]
        case 3:
            return content[:end] + content[place:]
        case 4:
            return content[:place] + bytes(end - place) + content[end:]
        case _:
            return content[:place] + draw.randbytes(end - place) + content[end:]


def damage_value(value: Any, draw: random.Random) -> str:
    """A JSON value with one of the values in it exchanged, as text."""
    spot = draw.choice(list(_places(value)))
    text = json.dumps(_put(value, spot, MARK), ensure_ascii=draw.random() < 0.5)
    return text.replace(json.dumps(MARK), _other(draw), 1)


def _other(draw: random.Random) -> str:
    match draw.randrange(4):
        case 0:
            return draw.choice(NUMBERS)
        case 1:
            return draw.choice(TEXTS)
        case 2:
            depth = draw.choice(DEPTHS)
            begin, end = draw.choice((("[", "]"), ('{"a":', "}")))
            return begin * depth + "1" + end * (depth if draw.random() < 0.7 else 0)
        case _:
            return draw.choice(OTHERS)


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        for rest in _places(one):
            yield (key, *rest)


def _put(value: Any, spot: tuple[Any, ...], new: Any) -> Any:
    if not spot:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[spot[0]] = _put(value[spot[0]], spot[1:], new)
    return copy


def damage_json(content: bytes, draw: random.Random) -> bytes:
    """One value of a JSON file."""
    return damage_value(json.loads(content), draw).encode("utf-8", "surrogatepass")


def damage_lines(content: bytes, draw: random.Random) -> bytes:
    """One value of a line, or a line doubled, left out, moved or made empty."""
    lines = content.splitlines(keepends=True)
    place = draw.randrange(len(lines))
    match draw.randrange(8):
        case 0:
            lines.insert(draw.randrange(len(lines)), lines[place])
        case 1:
            lines.insert(draw.randrange(len(lines)), lines.pop(place))
        case 2:
            lines[place] = draw.choice((b"\n", b"", b"\0\n", b"\r\n", lines[place].rstrip(b"\n")))
        case _:
            changed = damage_value(json.loads(lines[place]), draw)
            lines[place] = changed.encode("utf-8", "surrogatepass") + b"\n"
    return b"".join(lines)


def damage_archive(content: bytes, draw: random.Random) -> bytes:
    """One value of a file within, or the length that a file is said to have."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        with zipfile.ZipFile(file) as archive:
            inner = {name: archive.read(name) for name in archive.namelist()}
    names = [name for name in inner if name.startswith("conversations")]
    name = draw.choice(names)
    if draw.random() < 0.7:
        inner[name] = damage_json(inner[name], draw)
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in inner.items():
                archive.writestr(name, data)
        file.seek(0)
        packed = bytearray(file.read())
    if draw.random() < 0.4:
        # The lengths, packed and unpacked, stand 20 and 24 bytes into an entry of the directory at the end.
        entries = [at for at in range(len(packed)) if packed[at : at + 4] == b"PK\x01\x02"]
        struct.pack_into("<I", packed, draw.choice(entries) + draw.choice((20, 24)), draw.choice(LENGTHS))
    return bytes(packed)


def damage_log(content: bytes, draw: random.Random) -> bytes:
    """A value of a row, a column or table, or the length that a row is said to have."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(content)
        with contextlib.closing(sqlite3.connect(path)) as log:
            tables = [row[0] for row in log.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            table = draw.choice(tables)
            columns = [row[1] for row in log.execute(f"PRAGMA table_info({table})")]
            column = draw.choice(columns)
            match draw.randrange(10):
                case 0:
                    log.execute(f'ALTER TABLE {table} RENAME COLUMN "{column}" TO gone')
                case 1:
                    log.execute(f"DROP TABLE {table}")
                case 2 | 3:
                    log.commit()
                    return _lengthen(path.read_bytes(), draw)
                case _:
                    log.execute("PRAGMA ignore_check_constraints = ON")
                    _change_column(log, table, column, columns, draw)
            log.commit()
        return path.read_bytes()


def _change_column(
    log: sqlite3.Connection, table: str, column: str, columns: list[str], draw: random.Random
) -> None:
    """Put something else into a column, which may hold what it likes from now on."""
    names = ", ".join(f'"{name}"' for name in columns)
    log.execute(f"ALTER TABLE {table} RENAME TO before")
    log.execute(f"CREATE TABLE {table} ({names})")
    log.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM before")
    log.execute("DROP TABLE before")
    value: object = draw.choice(
        (None, 7, -1, 1 << 62, 1.5, 1e308, float("inf"), b"", b"\xff\x00\xfe", b"[]", "", "a\0b", "[]", "7", "{}", "null", '"x"',
         '{"text_ref": 7}', '{"text_ref": [7, {"fragment": []}]}', '{"attachments": 7}', '{"attachment": [1]}', *DEEP,
         '{"name": [], "tool_call_id": 9, "arguments": "x", "output": {}}', r'{"output": "\ud800", "arguments": {"a": "\ud800"}}')
    )  # fmt: skip
    some = "" if draw.random() < 0.5 else "WHERE rowid % 2 = 1"
    if draw.random() < 0.15:
        log.execute(f"UPDATE {table} SET \"{column}\" = CAST(x'61eda0806200ff' AS TEXT) {some}")
    else:
        log.execute(f'UPDATE {table} SET "{column}" = ? {some}', (value,))


DEEP = ("[" * 200_000, "[" * 900 + "]" * 900, '{"a":' * 60_000 + "1" + "}" * 60_000)


def _lengthen(content: bytes, draw: random.Random) -> bytes:
    """Say of a row that it is 1 GB long: in the cell's head, sqlite.org/fileformat2.html section 1.6."""
    changed = bytearray(content)
    (size,) = struct.unpack(">H", content[16:18])
    for page in draw.sample(range(len(content) // size), len(content) // size):
        head = page * size + (100 if page == 0 else 0)
        count = struct.unpack(">H", content[head + 3 : head + 5])[0]
        if content[head] == 0x0D and count:
            pointer = head + 8 + 2 * draw.randrange(count)
            cell = page * size + struct.unpack(">H", content[pointer : pointer + 2])[0]
            changed[cell : cell + 5] = b"\x83\xff\xff\xff\x7f"
            return bytes(changed)
    return content


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "chatgpt": damage_json,
    "archive": damage_archive,
    "openwebui": damage_json,
    "sillytavern": damage_lines,
    "openai": damage_json,
    "llm": damage_log,
    "own": damage_lines,
}
