"""turnkeep: the memory that a locally hosted language model lacks."""

from ._version import __version__
from .context.picture import Picture
from .context.receipt import Receipt
from .conversation.items import Image, Message, Text, ToolCall, ToolResult, Usage
from .errors import (
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
    StoreTooNew,
    TurnkeepError,
    UsageError,
    WireError,
)
from .library import AsyncChat, Exchange, Opened
from .prepared import Prepared
from .streaming import Streaming
from .sync import Chat
from .turn import Finished, Notice, Piece, Reading, Reply, Thought

__all__ = [
    "AsyncChat",
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
    "Finished",
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
    "StoreTooNew",
    "Streaming",
    "Text",
    "Thought",
    "ToolCall",
    "ToolResult",
    "TurnkeepError",
    "Usage",
    "UsageError",
    "WireError",
    "__version__",
]
