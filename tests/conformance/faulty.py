"""A client with a chosen fault, to show that the suite finds it. usage: faulty.py FAULT URL"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

FAULT = sys.argv[1]
FAULTS = {
    "none": [],
    "repeats": ["duplicates", "gap_known"],
    "skips_gaps": ["gap", "gap_lost"],
    "forgets": ["resume", "resume_close_code"],
    "hides_loss": ["not_recovered", "new_epoch"],
    "ignores_epoch": ["epoch_in_flight"],
    "resets_on_epoch": ["restarts", "restart_in_flight"],
    "compares_seq_alone": ["new_epoch"],
    "hammers": ["refused", "closed_at_once"],
    "trusts_silence": ["half_open"],
    "fragile": ["unknown_types", "nonsense"],
    "gives_up": ["resume", "unreachable"],
}
"""The scenarios that must find each fault."""
DEAD_AFTER_S = 8.0


def say(**line: object) -> None:
    print(json.dumps(line), flush=True)


class Client:
    def __init__(self) -> None:
        self.at: tuple[int, str] | None = None
        self.due = True
        self.socket: Any = None

    async def subscribe(self, snapshot: bool = False) -> None:
        self.due = snapshot or self.at is None or FAULT == "forgets"
        since = {"since": "snapshot"} if self.due or self.at is None else {"since": self.at[0], "epoch": self.at[1]}
        await self.socket.send(json.dumps({"type": "subscribe", **since}))

    async def hear(self, text: str | bytes) -> None:
        try:
            message = json.loads(text)
            kind = message["type"]
            if FAULT == "fragile" and "seq" not in message and kind not in ("gap", "error", "pong"):
                raise SystemExit(f"what is {kind}?")
        except (ValueError, KeyError, TypeError):
            if FAULT == "fragile":
                raise SystemExit("nonsense") from None
            return
        if kind == "subscribed":
            self.due = self.due or message["recovered"] is False
        elif kind == "snapshot":
            lost = self.at is not None and FAULT not in ("hides_loss", "forgets")
            older = self.at is not None and FAULT == "compares_seq_alone" and message["seq"] <= self.at[0]
            if not older:
                self.at = (message["seq"], message["epoch"])
                say(kind="snapshot", seq=message["seq"], epoch=message["epoch"], lost=lost)
            self.due = False
        elif kind == "gap":
            if FAULT == "repeats":
                self.at = (message["from"] - 1, self.at[1] if self.at else "")
                await self.subscribe()
            elif FAULT != "skips_gaps" and self.at is not None and message["to"] > self.at[0]:
                await self.subscribe()
        elif "subject" in message and not self.due and self.at is not None:
            await self.event(message)

    async def event(self, message: dict[str, Any]) -> None:
        assert self.at is not None
        seq, epoch = self.at
        earlier = message["seq"] <= seq or FAULT == "resets_on_epoch"
        if message["epoch"] != epoch and earlier and FAULT not in ("ignores_epoch", "compares_seq_alone"):
            await self.subscribe(snapshot=True)
        elif message["seq"] == seq + 1 or FAULT in ("repeats", "ignores_epoch") or (FAULT == "skips_gaps" and message["seq"] > seq):
            self.at = (message["seq"], message["epoch"])
            say(kind="event", seq=message["seq"], epoch=message["epoch"], type=message["type"])

    async def run(self, url: str) -> None:
        while True:
            try:
                async with connect(url, ping_interval=None, close_timeout=1, max_size=None, open_timeout=15) as self.socket:
                    await self.subscribe()
                    say(kind="state", state="live")
                    while True:
                        silence = None if FAULT == "trusts_silence" else DEAD_AFTER_S
                        await self.hear(await asyncio.wait_for(self.socket.recv(), silence))
            except (OSError, TimeoutError, WebSocketException):
                if FAULT == "gives_up":
                    return
            say(kind="state", state="waiting")
            await asyncio.sleep(0 if FAULT == "hammers" else 0.2 + random.random() / 5)


if __name__ == "__main__":
    asyncio.run(Client().run(sys.argv[-1].replace("http", "ws", 1) + "/api/v1/workspaces/local/events"))
