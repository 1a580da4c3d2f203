"""The stage of a scenario: server, client and checks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from .client import Client, Failed
from .log import DATA, Log
from .server import Connection, Server

PATIENCE = 90.0
"""Time limit for a step in seconds; far more than any client needs."""
NOT_AT_ONCE = 0.2
"""The least total time of a few attempts, in seconds."""
Result = TypeVar("Result")


class Stage:
    """The server and the client of one scenario."""

    def __init__(self, server: Server, client: Client) -> None:
        self.server = server
        self.client = client

    async def connected(self) -> Connection:
        """The next connection of the client."""
        return await self._within("a connection", self.server.connection())

    async def begin(self, events: int = 3) -> Connection:
        """Lets the client subscribe and sends it some events, which it must deliver."""
        self.server.log.append()
        await self.server.listen()
        connection = await self.connected()
        await self.delivered()
        for _ in range(events):
            await self.server.send_events()
        await self.delivered()
        return connection

    async def delivered(self) -> None:
        """Waits until the client has delivered the newest event, or a snapshot of it."""
        log = self.server.log

        def reached() -> bool:
            last = self.client.delivered[-1] if self.client.delivered else None
            return last is not None and (last["epoch"], last["seq"]) == (log.epoch_of(log.head), log.head)

        await self.client.until(f"event {log.head} of {log.epoch} was not delivered", reached, PATIENCE)

    async def finish(self, resets: range | int = 0) -> None:
        """Sends a last event and checks all deliveries up to it."""
        await self.delivered()
        await self.server.send_events()
        await self.delivered()
        check_deliveries(self.client, self.server.logs)
        lost = sum(1 for said in self.client.delivered if said["kind"] == "snapshot" and said.get("lost") is True)
        allowed = resets if isinstance(resets, range) else range(resets, resets + 1)
        if lost not in allowed:
            words = f"{allowed.start} to {allowed.stop - 1}" if len(allowed) > 1 else str(allowed.start)
            raise Failed(f"{lost} resets were delivered (snapshots with lost: true), expected {words}")

    async def gone(self, connection: Connection) -> None:
        """Waits until a connection is over."""
        await self._within("the end of a connection", connection.gone.wait())

    async def waiting(self) -> None:
        """Waits until the client reports that it will try again."""
        await self.client.until("the client does not report `waiting`", lambda: "waiting" in self.client.states, PATIENCE)

    def subscribed_with(self, index: int, since: object, epoch: str | None = None) -> None:
        """Checks a `subscribe` of the client."""
        if len(self.server.subscriptions) <= index:
            raise Failed(f"there was no subscribe number {index + 1}")
        got = self.server.subscriptions[index]
        if got.get("since") != since or (epoch is not None and got.get("epoch") != epoch):
            raise Failed(f"subscribe number {index + 1} was {got}, expected since {since!r} and epoch {epoch!r}")

    def not_at_once(self, attempts: int) -> None:
        """Checks that the client paused between its first attempts."""
        times = self.server.attempts[:attempts]
        if len(times) < attempts or times[-1] - times[0] < NOT_AT_ONCE:
            raise Failed(f"{len(times)} attempts within {times[-1] - times[0]:.3f} s: the server is hammered")

    async def _within(self, what: str, awaited: Coroutine[Any, Any, Result]) -> Result:
        """Waits, unless the client has ended or prints malformed lines."""
        task = asyncio.create_task(awaited)
        lost = asyncio.create_task(self.client.until(what, task.done, PATIENCE))
        try:
            await asyncio.wait([task, lost], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await lost
            return await task
        finally:
            task.cancel()
            lost.cancel()
            await asyncio.gather(task, lost, return_exceptions=True)


def check_deliveries(client: Client, logs: list[Log]) -> None:
    """Every event once and in order, or an explicit reset."""
    by_epoch = {log.epoch_of(seq): log for log in logs for seq in range(log.head + 1)}
    at: tuple[Log, int] | None = None
    for index, said in enumerate(client.delivered):
        where = f"delivery {index + 1} ({said['kind']} {said['seq']} of {said['epoch']})"
        log = by_epoch.get(said["epoch"])
        if log is None:
            raise Failed(f"{where}: there is no such epoch")
        if said["kind"] == "snapshot":
            if at is None and said.get("lost") is not False:
                raise Failed(f"{where}: the first snapshot is no loss")
            if at is not None and said.get("lost") is not True:
                raise Failed(f"{where}: a later snapshot replaces lost events and must be marked as lost")
        else:
            if at is None:
                raise Failed(f"{where}: an event before the first snapshot")
            before, seq = at
            if log is not before:
                raise Failed(f"{where}: another history without a reset")
            if said["seq"] <= seq:
                raise Failed(f"{where}: repeated or out of order, {seq} was delivered before")
            skipped = [event for event in log.events[seq : said["seq"] - 1] if event["type"] in DATA]
            if skipped:
                raise Failed(f"{where}: event {skipped[0]['seq']} was never delivered, and there was no reset")
            if said.get("type") != log.events[said["seq"] - 1]["type"]:
                raise Failed(f"{where}: the type was {log.events[said['seq'] - 1]['type']}, not {said.get('type')}")
        if said["epoch"] != log.epoch_of(said["seq"]):
            raise Failed(f"{where}: the epoch was {log.epoch_of(said['seq'])}")
        at = (log, said["seq"])
