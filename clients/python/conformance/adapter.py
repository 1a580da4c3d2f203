"""The adapter of the conformance suite (tests/conformance). It prints each delivery as JSON."""

import asyncio
import json
import os
import sys

try:
    import earcon
except ModuleNotFoundError as error:
    sys.exit(f"{error}: pip install clients/python, or set PYTHONPATH to its src and pip install websockets httpx")


def say(**line: object) -> None:
    print(json.dumps(line), flush=True)


def seconds(name: str, otherwise: float) -> float:
    return float(os.environ.get(name, otherwise * 1_000)) / 1_000


async def main() -> None:
    heartbeat = earcon.Heartbeat(seconds("EARCON_PING_AFTER_MS", 15), seconds("EARCON_DEAD_AFTER_MS", 25))
    client = earcon.Client(sys.argv[-1], heartbeat)
    async for event in client.events("local", on_state=lambda state: say(kind="state", state=state)):
        if isinstance(event, earcon.Snapshot):
            say(kind="snapshot", seq=event.seq, epoch=event.epoch, lost=event.lost)
        else:
            say(kind="event", seq=event.seq, epoch=event.epoch, type=event.type)


asyncio.run(main())
