"""The numbered steps from an empty database to the newest one.

One folder a backend, one SQL file a step: `0001_name.sql`. A file that has been
released is never edited; what it made is changed by the next one.
"""

from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its number (1, 2, 3 ...), its name, and the statements."""

    number: int
    name: str
    sql: str


def load_migrations(backend: str) -> tuple[Migration, ...]:
    """Read the steps of a backend ("sqlite"), in order of their numbers."""
    steps = []
    for file in files(__package__).joinpath(backend).iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            steps.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    return tuple(sorted(steps, key=lambda step: step.number))
