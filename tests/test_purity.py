"""The pure folders stay pure, and imports point one way (style.md section 1)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import turnkeep

PACKAGE = Path(turnkeep.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
PURE = ("conversation", "context", "privacy", "wire")

# What pure modules may import: parts of the standard library that only compute.
PURE_LIBRARY = {
    "abc", "base64", "bisect", "collections", "copy", "dataclasses", "datetime", "difflib", "enum", "fnmatch", "functools",
    "hashlib", "heapq", "hmac", "html", "ipaddress", "itertools", "json", "math", "operator", "re", "statistics", "string",
    "struct", "textwrap", "typing", "unicodedata", "urllib.parse", "zlib",
    "orjson",  # where it is installed
    "snowballstemmer",  # not of the standard library, but computes only
    "phonenumbers", "stdnum", "regex",  # likewise; the last looks at a clock, to give up
    "importlib",  # names of a package's own, when they are first asked for
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "breakpoint"}
CLOCKS = {"now", "utcnow", "today"}  # of datetime, whose arithmetic is pure

# Rooms from the ground up: a room is a folder or module under the package. Each may import what
# stands below it; rooms on one floor do not know each other. What is not named here is a door
# (terminal, gateway, command line): it may import anything, and nothing below may import it.
FLOORS: tuple[set[str], ...] = (
    {"_version", "errors", "randomness"},
    {"conversation", "private"},
    {"context", "wire"},
    {"privacy"},
    {"engine", "store"},
    {"audit", "names"},
    {"embed", "values"},
    {"settings"},
    {"exporting", "logs", "markdown", "masking", "meter", "portable", "unlocking", "vectors"},
    {"indexing", "loading", "search", "statements", "transfer"},
    {"carrying", "lookup", "recall"},
    {"standing"},
    {"prompt"},
    {"notes"},
    {"keeping"},
    {"holding", "receipts", "stopping", "summarising"},
    {"turn"},
    {"equipment", "forgetting", "prepared", "record", "streaming", "upkeep"},
    {"restoring"},
    {"looking"},
    {"minding"},
    {"library"},
    {"sync"},
    {"__init__"},
)
DOORS = len(FLOORS)
# Between the floors of engine and store and the library, both are known as protocols only.
PROTOCOL_USERS = {
    "audit",
    "carrying",
    "exporting",
    "forgetting",
    "holding",
    "indexing",
    "keeping",
    "loading",
    "lookup",
    "markdown",
    "masking",
    "meter",
    "notes",
    "prepared",
    "prompt",
    "recall",
    "record",
    "restoring",
    "search",
    "standing",
    "statements",
    "streaming",
    "summarising",
    "transfer",
    "turn",
    "upkeep",
    "vectors",
}
PROTOCOLS = {
    "embed.base",
    "engine.base",
    "store.base",
    "store.carrying",
    "store.erasing",
    "store.heads",
    "store.ids",  # how an id is made and read: pure, and the same for every store
    "store.marking",
    "store.outside",
    "store.reading",
    "store.writing",
}


def module_name(path: Path) -> str:
    """Example: src/turnkeep/context/plan.py → "context.plan"; a package is its folder's name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts if len(parts) == 1 or parts[-1] != "__init__" else parts[:-1])


def imported_modules(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Yield every module that a file imports, anywhere in it; our own without the "turnkeep." in front.

    Args:
        tree: the file.
        package: the folders that hold it, below src/turnkeep.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield "__init__" if alias.name == "turnkeep" else alias.name.removeprefix("turnkeep.")
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            yield node.module
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            if node.module is not None:
                yield ".".join((*base, node.module))
            else:  # from . import x: a module of ours, or a name of the package's own
                for alias in node.names:
                    name = ".".join((*base, alias.name))
                    yield name if _is_module(name) else ".".join(base) or "__init__"


def _is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def find_impurities(tree: ast.AST, package: tuple[str, ...]) -> list[str]:
    """List what a pure file must not do."""
    found = [
        f"imports {name}"
        for name in imported_modules(tree, package)
        if name not in PURE_LIBRARY and name.split(".")[0] not in (*PURE_LIBRARY, *PURE, "errors")
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            found.append(f"line {node.lineno} is async")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            found.append(f"line {node.lineno} calls {node.func.id}()")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            found.append(f"line {node.lineno} reads the clock")
    return found


def floor_of(module: str) -> int:
    """Number of a module's floor; doors are on the top one."""
    room = module.split(".")[0]
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), DOORS)


def find_wrong_imports(module: str, imported: str) -> str | None:
    """Say why `module` must not import `imported` (both our own); None when it may."""
    room, other = module.split(".")[0], imported.split(".")[0]
    if room in PROTOCOL_USERS and other in ("embed", "engine", "store") and imported not in PROTOCOLS:
        return f"{module} may know {other} by its protocol only, not {imported}"
    above = floor_of(imported) > floor_of(module)
    beside = floor_of(imported) == floor_of(module) != DOORS and room != other
    return f"{module} must not import {imported}" if above or beside else None


def parse(path: Path) -> tuple[ast.AST, tuple[str, ...]]:
    return ast.parse(path.read_text("utf-8")), path.relative_to(PACKAGE).parent.parts


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.relative_to(PACKAGE).parts[0] in PURE], ids=module_name
)
def test_a_pure_module_only_computes(path: Path) -> None:
    assert find_impurities(*parse(path)) == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    ours = {name for name in imported_modules(*parse(path)) if _is_module(name)}
    wrong = [find_wrong_imports(module_name(path), name) for name in sorted(ours)]
    assert [reason for reason in wrong if reason] == []


@pytest.mark.parametrize(
    ("source", "impurity"),
    [
        ("import os", "imports os"),
        ("def f():\n    from time import time", "imports time"),
        ("import sqlite3", "imports sqlite3"),
        ("from ..engine.client import EngineClient", "imports engine.client"),
        ("import urllib.request", "imports urllib.request"),
        ("async def f(): ...", "line 1 is async"),
        ("def f():\n    open('x')", "line 2 calls open()"),
        ("import datetime\ndatetime.date.today()", "line 2 reads the clock"),
    ],
)
def test_an_impurity_is_found(source: str, impurity: str) -> None:
    assert find_impurities(ast.parse(source), ("context",)) == [impurity]


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("context.plan", "engine.base"),
        ("engine.client", "store.base"),
        ("turn", "store.sqlite"),
        ("turn", "engine.client"),
        ("search", "embed.builtin"),
        ("turn", "library"),
        ("upkeep", "prepared"),
        ("library", "terminal.screen"),
        ("errors", "conversation.items"),
        ("context.plan", "wire.sse"),
    ],
)
def test_a_wrong_import_is_found(module: str, imported: str) -> None:
    assert find_wrong_imports(module, imported) is not None


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("turn", "engine.base"),
        ("library", "store.sqlite"),
        ("terminal.piped", "library"),
        ("terminal.piped", "cli"),
        ("context.plan", "context.view"),
    ],
)
def test_a_right_import_is_let_be(module: str, imported: str) -> None:
    assert find_wrong_imports(module, imported) is None


def test_every_room_of_the_floors_exists() -> None:
    rooms = {module_name(path).split(".")[0] for path in FILES}
    assert set().union(*FLOORS) <= rooms
