"""The command line: runs the scenarios against a client."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

try:
    import websockets  # noqa: F401 (the suite's only package; without it the message says so)
except ModuleNotFoundError:
    sys.exit("The suite needs the Python package websockets: pip install websockets")

from .client import Client, Failed
from .scenarios import SCENARIOS, Scenario
from .server import Server
from .stage import Stage

STARTS_WITHIN = 30.0
"""Time limit for the first connection of a client, in seconds."""
UNUSABLE = 2
"""Exit status if nothing could be tested."""


class Outcome:
    """The result of a scenario."""

    def __init__(self, name: str, seconds: float, problem: str | None, evidence: list[str]) -> None:
        self.name = name
        self.seconds = seconds
        self.problem = problem
        self.evidence = evidence


async def run(scenario: Scenario, command: list[str]) -> Outcome:
    """Runs one scenario with a new client and a new server."""
    started = time.monotonic()
    problem = None
    server = Server()
    try:
        client = await Client.start(command, server.url)
    except OSError as error:
        await server.shut()
        return Outcome(scenario.__name__, 0, f"the client does not start: {error}", [])
    try:
        await scenario(Stage(server, client))
        if client.problem is not None:
            problem = client.problem
    except Failed as failed:
        problem = str(failed)
    except Exception as error:  # A mistake of the suite's own must not end the other scenarios.
        problem = f"the suite itself failed: {error!r}"
    finally:
        await client.stop()
        await server.shut()
    said = [f"{said['kind']} {said['seq']} {said['epoch']} lost={said.get('lost')}" for said in client.delivered[:40]]
    evidence = ["on the wire:", *server.transcript[-60:], "delivered (the first forty):", *said, "states:"]
    evidence += [" ".join(client.states[:60]), "its standard error:", *client.errors]
    return Outcome(scenario.__name__, time.monotonic() - started, problem, evidence)


async def why_unusable(command: list[str]) -> list[str]:
    """Starts the client once. Returns why it cannot be tested; nothing if it connects."""
    server = Server()
    try:
        client = await Client.start(command, server.url)
    except OSError as error:
        await server.shut()
        return [str(error)]
    try:
        await server.listen()
        connected = asyncio.create_task(server.connection())
        ended = asyncio.create_task(client.ended())
        await asyncio.wait({connected, ended}, timeout=STARTS_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        outcome = (connected.done(), ended.done())
        connected.cancel()
        ended.cancel()
    finally:
        await client.stop()
        await server.shut()
    if outcome[0]:
        return []
    reason = "it ended by itself" if outcome[1] else f"it did not connect within {STARTS_WITHIN:.0f} s"
    return [client.problem or reason, *client.errors]


async def run_all(chosen: list[Scenario], command: list[str], jobs: int, verbose: bool) -> int:
    """Runs scenarios in parallel; returns the number of failures."""
    free = asyncio.Semaphore(jobs)

    async def one(scenario: Scenario) -> bool:
        async with free:
            outcome = await run(scenario, command)
        mark = "ok    " if outcome.problem is None else "FAILED"
        print(f"{mark} {outcome.name:18} {scenario.__doc__} ({outcome.seconds:.1f} s)", flush=True)
        if outcome.problem is not None:
            print(f"       {outcome.problem}")
        if outcome.problem is not None or verbose:
            print("\n".join(f"       | {line}" for line in outcome.evidence), flush=True)
        return outcome.problem is None

    passed = await asyncio.gather(*(one(scenario) for scenario in chosen))
    print(f"{sum(passed)} of {len(passed)} scenarios passed: {' '.join(command)}")
    return passed.count(False)


def main() -> int:
    """Reads the arguments; returns the exit status."""
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__, epilog="Everything after -- is the client.")
    parser.add_argument("--only", help="names of scenarios, comma-separated")
    parser.add_argument("--list", action="store_true", help="name the scenarios and what each asks for")
    parser.add_argument("--jobs", type=int, default=4, help="how many run side by side (default 4)")
    parser.add_argument("--verbose", action="store_true", help="show the conversation of scenarios that passed, too")
    parser.add_argument("client", nargs="*", help="the command that starts the client's adapter")
    arguments = parser.parse_args()
    names = {scenario.__name__: scenario for scenario in SCENARIOS}
    if arguments.list:
        for name, scenario in names.items():
            print(f"{name:18} {scenario.__doc__}")
        return 0
    wanted = arguments.only.split(",") if arguments.only else list(names)
    unknown = [name for name in wanted if name not in names]
    if unknown or not arguments.client or arguments.jobs < 1:
        parser.error(f"no such scenario: {', '.join(unknown)}" if unknown else "name the client after --")
    unusable = asyncio.run(why_unusable(arguments.client))
    if unusable:
        print(f"The client does not start, so nothing was tested: {' '.join(arguments.client)}", file=sys.stderr)
        print("\n".join(f"  | {line}" for line in unusable), file=sys.stderr)
        print("README.md of the suite says what has to be built before, for each adapter here.", file=sys.stderr)
        return UNUSABLE
    failed = asyncio.run(run_all([names[name] for name in wanted], arguments.client, arguments.jobs, arguments.verbose))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
