"""What the prompt's shape costs, over 200 turns:  python bench/prefix.py [--turns N] [--shared DIR] [--door gateway]

The same scripted chat through a real llama.cpp with a window of 4,096 tokens, one
contender after another in one run: the naive reference (append everything; at 40 messages
ask for a summary under a new system prompt, then start over), a sliding window of tokens,
turnkeep without recall, and turnkeep as it comes. What the engine evaluated is read from its own /metrics around each turn;
what it does between turns, nobody waits for.

With `--door gateway`, turnkeep is `turnkeep serve` and an ordinary client talks to it: with
chat completions whose whole history it resends; with `--door responses`, with responses that
name the one before.

Script, naive contenders and model come from bench/kvcache of the shared folder
(`--shared`, by default beside this checkout); the model is made there by make_gguf.py: its
weights are random, so it never gives a usable summary, and its replies have exactly the
length that the script asks for. The ideal for 200 turns (nothing ever read twice) is 16,439
tokens. Needs `pip install -r bench/requirements.txt`.
"""

import argparse
import asyncio
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from served import CHATS, RESPONSES, Refused, Served, Talk, load_receipts
from turnkeep import AsyncChat, TurnkeepError
from turnkeep.context.strategy import Strategy

WINDOW = 4096  # tokens
LONG_WINDOW = 8192  # the naive reference needs it: at 4,096 it is refused from turn 20 on
TURNS, SEED = 200, 7
SLIDING_TOKENS = 3481  # 85 % of the window, as in the reference measurement
IDEAL = {200: 16_439}  # tokens that any contender must have evaluated, by turns

# The bars, for 200 turns, without recall ...
MOST_EVALUATED = 45_000
MOST_WAITING = 17_000
MOST_IN_A_TURN = 250
# ... and with it: while the person waits, the new messages and the recalled lines, and a twentieth more.
MOST_BEYOND = 1.05

WITHOUT, USUAL = "window,summary", str(Strategy())  # strategies
METRICS = ("prompt_tokens_total", "prompt_tokens_cached_total")


@dataclass(slots=True, kw_only=True)
class Result:
    """What one contender cost."""

    name: str
    turns: int = 0  # answered
    evaluated: int = 0  # prompt tokens that the engine read anew, in all
    waiting: list[int] = field(default_factory=list)  # the same, turn by turn, while the person waits
    seconds: list[float] = field(default_factory=list)  # from the message to the first token, turn by turn
    refusals: list[int] = field(default_factory=list)  # turns that the engine refused as too long
    compactions: int = 0
    due: int = 0  # tokens of the new messages and of what was recalled for them
    recalled: int = 0  # of these: recalled

    @property
    def waited(self) -> int:
        """Tokens evaluated while the person waits."""
        return sum(self.waiting)


class Bench:
    """The shared scripts, the model, and where the engine is."""

    def __init__(self, shared: Path, turns: int) -> None:
        self.folder = shared / "bench" / "kvcache"
        for name in ("engine.py", "policies.py", "simulate.py", "make_gguf.py"):
            if not (self.folder / name).exists():
                raise SystemExit(
                    f"{self.folder / name} is missing: name the folder that holds bench/kvcache with --shared."
                )
        sys.path.insert(0, str(self.folder))
        self.turns = turns
        self.engine, self.policies, self.simulate = map(_import, ("engine", "policies", "simulate"))

    def make_model(self, shape: str, path: Path) -> Path:
        """Make the model with random weights whose replies tokenize back to themselves."""
        command = [sys.executable, str(self.folder / "make_gguf.py"), shape, str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"make_gguf.py failed: {done.stderr.strip().splitlines()[-1:]}")
        return path

    def script(self, client: Any) -> Any:  # Any: classes of the shared scripts
        """The scripted chat; equal for all contenders."""
        return self.simulate.Script(self.simulate.words_of(client), self.turns, SEED)

    def run(self, model: Path, window: int, contender: Callable[[Any, Any], Result]) -> Result:
        """Run one contender on an engine of its own."""
        server = self.engine.LlamaServer(str(model), n_ctx=window, n_batch=512)
        try:
            client = self.engine.Client(server.url)
            before = client.metric(METRICS[0])
            result = contender(client, self.script(client))
            result.evaluated = int(client.metric(METRICS[0]) - before)
            return result
        finally:
            server.stop()

    def run_policy(
        self, name: str, policy: str, window: int, **options: object
    ) -> Callable[[Any, Any], Result]:
        """Make a contender of one of the shared policies."""

        def contender(client: Any, script: Any) -> Result:
            env = self.simulate.Env(client, window, script)
            chooser = getattr(self.policies, policy)(env, **options)
            result = Result(name=name)
            for number, (user, reply_tokens) in enumerate(script.turns):
                env.turn, mark = number, len(env.calls)
                try:
                    chooser.turn(user, reply_tokens)
                except self.engine.HttpError:
                    result.refusals.append(number + 1)
                    continue
                calls = env.calls[mark:]
                result.turns += 1
                result.waiting.append(sum(call["prompt_n"] for call in calls))
                result.seconds.append(sum(call["total"] for call in calls[:-1]) + calls[-1]["ttft"])
                result.compactions += len(calls) - 1
            return result

        return contender

    def run_gateway(self, name: str, folder: Path, strategy: str, door: str) -> Callable[[Any, Any], Result]:
        """Make turnkeep the contender, through its gateway."""

        def contender(client: Any, script: Any) -> Result:
            return _serve(name, client, script, folder / f"{name}.db", strategy, door)

        return contender

    def run_turnkeep(self, name: str, folder: Path, strategy: str) -> Callable[[Any, Any], Result]:
        """Make turnkeep the contender, through its library."""

        def contender(client: Any, script: Any) -> Result:
            return asyncio.run(_chat(name, client, script, folder / f"{name}.db", strategy))

        return contender


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error.name} is missing: pip install -r bench/requirements.txt") from error


async def _chat(name: str, client: Any, script: Any, db: Path, strategy: str) -> Result:
    result = Result(name=name)
    async with AsyncChat(
        client.url,
        conversation="bench",
        db=db,
        system=script.system,
        strategy=strategy,
        embedding_seconds=None,  # counts must not depend on how busy the machine is
    ) as chat:
        await chat.open()
        for number, (user, reply_tokens) in enumerate(script.turns):
            before, began, first = client.metric(METRICS[0]), time.perf_counter(), None
            stream = chat.stream(user, max_tokens=reply_tokens, temperature=1.0, top_k=40, seed=1000 + number)
            try:
                async for _ in stream:
                    first = first or time.perf_counter()
            except TurnkeepError as error:
                print(f"turn {number + 1}: {error}", file=sys.stderr)
                result.refusals.append(number + 1)
                continue
            result.turns += 1
            result.waiting.append(int(client.metric(METRICS[0]) - before))
            result.seconds.append((first or time.perf_counter()) - began)
            receipt = stream.reply.receipt
            result.compactions += receipt.moved is not None
            result.due += receipt.new_tokens + receipt.recalled_tokens
            result.recalled += receipt.recalled_tokens
            await chat.idle()
    return result


def _serve(name: str, client: Any, script: Any, db: Path, strategy: str, door: str) -> Result:
    result = Result(name=name)
    options = ("--strategy", strategy, "--embedding-seconds", "0")  # 0: as long as the vector takes
    with Served(client.url, db, *options) as served:
        talk = Talk(served.url, door, script.system)
        for number, (user, reply_tokens) in enumerate(script.turns):
            before = client.metric(METRICS[0])
            try:
                talk.say(user, reply_tokens, temperature=1.0, top_k=40, seed=1000 + number)
            except Refused as error:
                print(f"turn {number + 1}: {error}", file=sys.stderr)
                result.refusals.append(number + 1)
                continue
            result.turns += 1
            result.waiting.append(int(client.metric(METRICS[0]) - before))
            result.seconds.append(talk.seconds)
            served.wait_until_quiet()
            if talk.receipt["turn"] != result.turns:
                raise SystemExit(f"turn {number + 1} went to another conversation: {talk.receipt}")
        talk.close()
    for receipt in load_receipts(db, talk.receipt["conversation"], result.turns):
        result.compactions += "moved" in receipt
        result.recalled += receipt.get("recalled_tokens", 0)
        result.due += receipt.get("new_tokens", 0) + receipt.get("recalled_tokens", 0)
    return result


def print_table(results: Sequence[Result], turns: int) -> None:
    """Print what each contender cost, side by side."""
    ideal = IDEAL.get(turns)
    print(f"{turns} turns" + (f"; ideal {ideal:,} tokens" if ideal else ""))
    print(
        "| | answered | evaluated | x ideal | while waiting | median turn | worst turn |"
        " seconds waited | worst | compactions |"
    )
    print("| --- " + "| ---: " * 9 + "|")
    for result in results:
        tokens, seconds = sorted(result.waiting) or [0], sorted(result.seconds) or [0.0]
        times = f"{result.evaluated / ideal:.1f}" if ideal and result.turns == turns else "-"
        print(
            f"| {result.name} | {result.turns} of {turns} | {result.evaluated:,} | {times} | {result.waited:,} |"
            f" {tokens[len(tokens) // 2]:,} | {tokens[-1]:,} | {sum(seconds):.1f} | {seconds[-1]:.2f} |"
            f" {result.compactions} |"
        )


def judge(without: Result, usual: Result, turns: int) -> bool:
    """Print PASS or FAIL for each bar; with fewer than 200 turns the totals scale with them.

    Args:
        without: turnkeep without recall.
        usual: turnkeep as it comes.
        turns: how many were asked for.
    """
    share = turns / TURNS
    print(
        f"{usual.name}: {usual.due:,} tokens of new messages and recalled lines, {usual.recalled:,} of them recalled"
    )
    bars = [
        ("without recall, evaluated in all", without.evaluated, MOST_EVALUATED * share),
        ("without recall, evaluated while waiting", without.waited, MOST_WAITING * share),
        ("without recall, evaluated in the worst turn", max(without.waiting, default=0), MOST_IN_A_TURN),
        ("evaluated while waiting", usual.waited, MOST_BEYOND * usual.due),
        ("turns refused or failed", 2 * turns - without.turns - usual.turns, 0),
    ]
    for name, figure, most in bars:
        print(f"{'PASS' if figure <= most else 'FAIL'}  {name}: {figure:,} (at most {most:,.0f})")
    return all(figure <= most for _, figure, most in bars)


def main() -> int:
    """Run the contenders; exit status 1 when a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument(
        "--shape", default="tiny", help="of the model, as make_gguf.py names them; counts do not depend on it"
    )
    parser.add_argument("--only", action="store_true", help="turnkeep alone, without the naive contenders")
    parser.add_argument(
        "--door", choices=("library", "gateway", "responses"), default="library", help="how turnkeep is used"
    )
    parser.add_argument("--strategy", default=USUAL, help="turnkeep's strategy, if not its default")
    args = parser.parse_args()
    bench = Bench(args.shared, args.turns)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = bench.make_model(args.shape, folder / "model.gguf")
        runs = [] if args.only else [
            (WINDOW, bench.run_policy(f"naive reference, window {WINDOW:,}", "SeedReference", WINDOW)),
            (LONG_WINDOW, bench.run_policy(f"naive reference, window {LONG_WINDOW:,}", "SeedReference", LONG_WINDOW)),
            (WINDOW, bench.run_policy("sliding window", "TokenWindow", WINDOW, limit=SLIDING_TOKENS)),
        ]  # fmt: skip
        if args.door != "library":
            door = CHATS if args.door == "gateway" else RESPONSES
            runs += [
                (WINDOW, bench.run_gateway(f"{name}, {door}", folder, strategy, door))
                for name, strategy in (("without recall", WITHOUT), ("all on", args.strategy))
            ]
        else:
            runs.append((WINDOW, bench.run_turnkeep("turnkeep without recall", folder, WITHOUT)))
            runs.append((WINDOW, bench.run_turnkeep("turnkeep", folder, args.strategy)))
        results = [bench.run(model, window, contender) for window, contender in runs]
    print_table(results, args.turns)
    return 0 if judge(results[-2], results[-1], args.turns) else 1


if __name__ == "__main__":
    sys.exit(main())
