"""What the database keeps of the audit journal: how many records each of its files has, and the last one's link.

So a journal that was cut off is found out. Each row carries a proof that only the journal's key makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

HeadState: TypeAlias = Literal["open", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """What is known of a file of the journal.

    file: its name; "": the roll, whose count says how many files there have ever been.
    count: of its records.
    link: of the last one, 64 hexadecimal digits.
    state: "expired" when the file was deleted because its time was over.
    mac: the proof.
    """

    file: str
    count: int
    link: str
    state: HeadState
    mac: str


class Heads(Protocol):
    """Keeps what is known of the journal's files; no row ever goes."""

    async def load_audit_heads(self) -> list[AuditHead]:
        """Load all rows, the roll among them."""
        ...

    async def begin_audit_file(self, head: AuditHead, roll: AuditHead) -> bool:
        """Keep a file that is about to be begun, and the roll that counts it, in one transaction.

        Nothing happens, and False, when there are not as many files as the roll says without this one; nothing
        happens either, and True, when the file is known already.
        """
        ...

    async def save_audit_heads(self, heads: Sequence[AuditHead]) -> None:
        """Keep how far files have come; a row never goes back to fewer records, or from expired to open."""
        ...
