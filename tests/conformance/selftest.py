"""Checks the suite itself: a correct client passes, and the suite finds every fault of `faulty.py`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from conformance import stage
from conformance.__main__ import run, why_unusable
from conformance.scenarios import SCENARIOS

sys.argv = [sys.argv[0], "none"]
from faulty import FAULTS  # noqa: E402 (reads its fault from the arguments)

PATIENCE_S = 12.0
"""A fault that shows as a timeout gets less time than a correct client on a slow machine."""


TRIES = 5
"""On a loaded machine a client that does not pause may look as if it did."""


async def main() -> int:
    """Returns the number of faults that were missed or reported without reason."""
    scenarios = {scenario.__name__: scenario for scenario in SCENARIOS}
    free = asyncio.Semaphore(4)

    async def outcome(fault: str, name: str, tries: int = 1) -> tuple[str, str, str | None, list[str]]:
        command = [sys.executable, str(Path(__file__).with_name("faulty.py")), fault]
        for _ in range(tries):
            async with free:
                went = await run(scenarios[name], command)
            if went.problem is not None:
                break
        return fault, name, went.problem, went.evidence

    wrong = 0
    # Without a fault, with the patience of every day, so that a slow machine finds none.
    for fault, name, problem, evidence in await asyncio.gather(*(outcome("none", name) for name in scenarios)):
        if problem is not None:
            wrong += 1
            print(f"a sound client fails {name}: {problem}", *evidence, sep="\n  | ")
    stage.PATIENCE = PATIENCE_S
    faults = [(fault, name) for fault, names in FAULTS.items() for name in names]
    for fault, name, problem, evidence in await asyncio.gather(*(outcome(*each, TRIES) for each in faults)):
        if problem is None:
            wrong += 1
            print(f"{name} does not notice that a client {fault}", *evidence, sep="\n  | ")
        else:
            print(f"ok     {fault:20} is found by {name:18} {problem[:90]}")
    reasons = await why_unusable([sys.executable, "-c", "raise SystemExit('build it first')"])
    if "build it first" not in reasons:
        wrong += 1
        print(f"a client that cannot start is reported as {reasons}")
    sound = await why_unusable([sys.executable, str(Path(__file__).with_name("faulty.py")), "none"])
    if sound:
        wrong += 1
        print(f"a sound client cannot start: {sound}")
    print("the suite finds every fault" if wrong == 0 else f"{wrong} things are wrong with the suite")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
