"""turnkeep: the memory that a locally hosted language model lacks.

The names are imported when they are first asked for, so that a program pays for what it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from .audit.base import AuditRules
    from .context.check import Verdict, check
    from .context.facts import Fact
    from .context.picture import Picture
    from .context.receipt import Receipt
    from .conversation.items import Image, Message, Text, ToolCall, ToolResult, Usage
    from .errors import (
        AuditFailed,
        Conflict,
        ContextOverflow,
        ConversationError,
        ConversationNotFound,
        EngineBusy,
        EngineError,
        EngineProtocolError,
        EngineRefused,
        EngineTimeout,
        EngineUnreachable,
        LeaseLost,
        MissingExtra,
        NothingToDo,
        StoreDamaged,
        StoreError,
        StoreFull,
        StoreLocked,
        StoreTooNew,
        TurnkeepError,
        UsageError,
        WireError,
    )
    from .forgetting.receipt import ForgetReceipt
    from .library import AsyncChat, Opened
    from .prepared import Prepared
    from .record import Exchange, SummaryVersion
    from .streaming import Streaming
    from .sync import Chat
    from .turn import Calling, Finished, Notice, Piece, Reading, Reply, Thought

__all__ = [
    "AsyncChat",
    "AuditFailed",
    "AuditRules",
    "Calling",
    "Chat",
    "Conflict",
    "ContextOverflow",
    "ConversationError",
    "ConversationNotFound",
    "EngineBusy",
    "EngineError",
    "EngineProtocolError",
    "EngineRefused",
    "EngineTimeout",
    "EngineUnreachable",
    "Exchange",
    "Fact",
    "Finished",
    "ForgetReceipt",
    "Image",
    "LeaseLost",
    "Message",
    "MissingExtra",
    "NothingToDo",
    "Notice",
    "Opened",
    "Picture",
    "Piece",
    "Prepared",
    "Reading",
    "Receipt",
    "Reply",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "StoreTooNew",
    "Streaming",
    "SummaryVersion",
    "Text",
    "Thought",
    "ToolCall",
    "ToolResult",
    "TurnkeepError",
    "Usage",
    "UsageError",
    "Verdict",
    "WireError",
    "__version__",
    "check",
]

# Module -> its names that are public: the imports above once more, for run time (tests/test_api.py).
_HOMES = {
    "audit.base": ("AuditRules",),
    "context.check": ("Verdict", "check"),
    "context.facts": ("Fact",),
    "context.picture": ("Picture",),
    "context.receipt": ("Receipt",),
    "conversation.items": (
        "Image",
        "Message",
        "Text",
        "ToolCall",
        "ToolResult",
        "Usage",
    ),
    "errors": (
        "AuditFailed",
        "Conflict",
        "ContextOverflow",
        "ConversationError",
        "ConversationNotFound",
        "EngineBusy",
        "EngineError",
        "EngineProtocolError",
        "EngineRefused",
        "EngineTimeout",
        "EngineUnreachable",
        "LeaseLost",
        "MissingExtra",
        "NothingToDo",
        "StoreDamaged",
        "StoreError",
        "StoreFull",
        "StoreLocked",
        "StoreTooNew",
        "TurnkeepError",
        "UsageError",
        "WireError",
    ),
    "forgetting.receipt": ("ForgetReceipt",),
    "library": (
        "AsyncChat",
        "Opened",
    ),
    "prepared": ("Prepared",),
    "record": ("Exchange", "SummaryVersion"),
    "streaming": ("Streaming",),
    "sync": ("Chat",),
    "turn": (
        "Calling",
        "Finished",
        "Notice",
        "Piece",
        "Reading",
        "Reply",
        "Thought",
    ),
}


if not TYPE_CHECKING:  # a type checker knows which names there are, and should say so

    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            if name in names:
                value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
