"""The public names: pinned, sorted, and all of them there."""

import ast
import inspect
from pathlib import Path

import pytest

import turnkeep

PUBLIC = {
    "AsyncChat", "AuditFailed", "AuditRules", "Calling", "Chat", "Conflict", "ContextOverflow", "ConversationError", "ConversationNotFound", "EngineBusy",
    "EngineError", "EngineProtocolError", "EngineRefused", "EngineTimeout", "EngineUnreachable", "Exchange",
    "Fact",
    "Finished", "ForgetReceipt", "Image", "LeaseLost", "Message", "MissingExtra", "NothingToDo", "Notice", "Opened", "Picture",
    "Piece", "Prepared", "Reading", "Receipt", "Reply", "StoreDamaged", "StoreError", "StoreFull", "StoreLocked", "StoreTooNew",
    "Streaming", "SummaryVersion", "Text", "Thought", "ToolCall", "ToolResult", "TurnkeepError", "Usage", "UsageError", "Verdict",
    "WireError", "__version__", "check",
}  # fmt: skip


def test_the_public_names_are_pinned() -> None:
    assert set(turnkeep.__all__) == PUBLIC


def test_the_public_names_are_sorted_once_each() -> None:
    assert turnkeep.__all__ == sorted(set(turnkeep.__all__))


@pytest.mark.parametrize("name", turnkeep.__all__)
def test_a_public_name_is_there_and_described(name: str) -> None:
    value = getattr(turnkeep, name)
    assert name == "__version__" or value.__doc__
    assert name in dir(turnkeep)


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="Chatt"):
        turnkeep.Chatt  # type: ignore[attr-defined]  # noqa: B018  # as a reader's slip would be


def test_type_checkers_and_run_time_know_the_same_names() -> None:
    tree = ast.parse(Path(turnkeep.__file__).read_text("utf-8"))
    typed = {
        (str(node.module), alias.name)
        for guard in tree.body
        if isinstance(guard, ast.If)
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {(module, name) for module, names in turnkeep._HOMES.items() for name in names}


def test_chat_has_the_verbs_of_async_chat() -> None:
    def verbs(kind: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}

    # Managing many conversations, models and options is for programs with a loop of their own.
    loop_only = {"conversation", "engine_info", "list", "rename", "set_model", "set_options", "switch"}
    assert verbs(turnkeep.AsyncChat) - verbs(turnkeep.Chat) <= loop_only
    assert verbs(turnkeep.Chat) <= verbs(turnkeep.AsyncChat)
