"""What work on a store costs: steps of SQLite's virtual machine, and the plans of its statements.

Neither depends on the machine that the test runs on.
"""

from collections.abc import Awaitable, Callable

from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.database import Database

Work = Callable[[int], Awaitable[object]]


class Steps:
    """Counts the steps of a store's SQLite."""

    def __init__(self) -> None:
        self.taken = 0

    def watch(self, database: Database) -> None:
        def count() -> int:
            self.taken += 1
            return 0

        database.set_progress_handler(count, 1)


async def count_steps(store: SqliteStore, work: Work, times: int) -> dict[int, int]:
    """The steps that work(1) to work(times) take, one after the other."""
    steps = Steps()
    await store._worker.run(steps.watch)
    cost: dict[int, int] = {}
    for number in range(1, times + 1):
        before = steps.taken
        await work(number)
        cost[number] = steps.taken - before
    return cost


def most_of(cost: dict[int, int], end: int) -> int:
    """The most steps of the thirty that end there."""
    return max(cost[number] for number in range(end - 29, end + 1))


async def find_plans(store: SqliteStore, work: Awaitable[object]) -> set[str]:
    """How SQLite goes about each statement of some work: "plan <- statement"."""
    seen: set[str] = set()

    def explain(database: Database) -> set[str]:
        database.set_trace_callback(None)
        plans: set[str] = set()
        for statement in seen:
            if statement.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                steps = database.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
                plans.update(f"{step[3]} <- {statement}" for step in steps)
        return plans

    await store._worker.run(lambda database: database.set_trace_callback(seen.add))
    await work
    return await store._worker.run(explain)
