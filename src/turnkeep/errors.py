"""Every exception turnkeep raises, by whose fault it is.

    TurnkeepError
    ├── UsageError             what the person or program asked for cannot be done as asked
    │   ├── MissingExtra       an optional package is not installed
    │   └── RequestRefused     a request to the gateway, with the field that is wrong
    ├── WireError              bytes that do not follow the protocol
    ├── ConversationError      the conversation does not allow it
    │   ├── ConversationNotFound
    │   ├── Conflict           another writer holds it, or moved its tip
    │   └── NothingToDo        no turn to regenerate, edit or undo
    ├── ContextOverflow        does not fit the context window
    ├── QueueFull              a gateway has as much waiting as it takes
    ├── EngineError            the inference server
    │   ├── EngineUnreachable  nobody answers at the address
    │   ├── EngineTimeout      it answered too slowly
    │   ├── EngineRefused      it answered with an error
    │   ├── EngineBusy         loading a model, or out of room for now
    │   └── EngineProtocolError it answered something else than it should
    └── StoreError             the database
        ├── StoreDamaged       not a turnkeep database, or a damaged one
        ├── StoreTooNew        made by a newer turnkeep
        ├── StoreLocked        encrypted, and the passphrase or key file is missing or another one
        ├── StoreFull          no space left, or not writable
        ├── AuditFailed        the audit journal cannot be written, and must be
        └── LeaseLost          another process took the conversation over

Each message is one sentence that says what to do. `status` is the HTTP status
a server answers with.
"""


class TurnkeepError(Exception):
    """Base of all errors raised on purpose."""

    status: int = 500
    begun: bool = False  # an engine had begun a stored turn: asking again would be a second turn
    taken: bool = False  # the engine had taken the request, and may have worked on it
    retry_after: float | None = None  # seconds after which asking again may help


class UsageError(TurnkeepError):
    """What was asked for cannot be done as asked; the message says what can."""

    status = 400


class MissingExtra(UsageError):
    """An optional package is needed; the message is the line that installs it."""


class RequestRefused(UsageError):
    """A request to the gateway cannot be served as asked.

    Args:
        message: a sentence that says what to do.
        param: the field that is wrong, as "input[2].content"; None when it is none.
        code: the interface's word for it, such as "context_length_exceeded".
        status: the HTTP status.
    """

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.param = param
        self.code = code
        self.status = status


class WireError(TurnkeepError):
    """Bytes or JSON that do not follow the protocol."""

    status = 400


class ConversationError(TurnkeepError):
    """The conversation does not allow what was asked."""

    status = 400


class ConversationNotFound(ConversationError):
    """No conversation of that name or id belongs to this owner."""

    status = 404


class Conflict(ConversationError):
    """Another writer holds the conversation, or has moved its tip meanwhile."""

    status = 409


class NothingToDo(ConversationError):
    """There is no turn to regenerate, edit or undo."""


class ContextOverflow(TurnkeepError):
    """The message and what must stand with it do not fit the context window."""

    status = 400
    code = "context_length_exceeded"  # the interface's word for it

    def __init__(self, message: str, *, needed: int | None = None, available: int | None = None) -> None:
        super().__init__(message)
        self.needed = needed  # tokens of the prompt; None when the engine did not say
        self.available = available  # tokens the engine can attend to; None when it did not say


class QueueFull(TurnkeepError):
    """As much waits for the engine as a gateway takes; nothing of the request was kept.

    Args:
        message: a sentence that says what to do.
        retry_after: seconds after which there may be room.
    """

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EngineError(TurnkeepError):
    """The inference server failed."""

    status = 502


class EngineUnreachable(EngineError):
    """Nobody answers at the engine's address."""


class EngineTimeout(EngineError):
    """The engine did not answer within one of the four timeouts."""

    status = 504


class EngineRefused(EngineError):
    """The engine answered with an error that repeating would not cure."""

    def __init__(self, message: str, *, http_status: int | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status


class EngineBusy(EngineError):
    """The engine is loading a model or has no room for now; trying later may help."""

    status = 503

    def __init__(self, message: str, *, state: str | None = None) -> None:
        super().__init__(message)
        self.state = state or message  # the message without its advice, for those who are waiting already


class EngineProtocolError(EngineError):
    """The engine's answer is not what the protocol says, or ended without an end."""


class StoreError(TurnkeepError):
    """The database failed."""


class StoreDamaged(StoreError):
    """The file is not a turnkeep database, or it is damaged."""


class StoreTooNew(StoreError):
    """The file was made by a newer turnkeep."""


class StoreLocked(StoreError):
    """The database is encrypted, and what opens it was not given or is another one; or it is not encrypted yet."""


class StoreFull(StoreError):
    """The disk is full, or the place cannot be written to."""

    status = 507


class AuditFailed(StoreError):
    """The audit journal cannot be written or read."""

    status = 507


class LeaseLost(StoreError):
    """Another process took the conversation over while this one was writing."""

    status = 409
