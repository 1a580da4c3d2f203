"""The client under test: a process, and the deliveries it reports."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence

from .log import Message

HEARTBEAT = {"EARCON_PING_AFTER_MS": "2500", "EARCON_DEAD_AFTER_MS": "8000"}
"""Short, so that a run is quick; long enough for a loaded machine."""


class Failed(Exception):
    """The client did not meet a requirement of the scenario."""


class Client:
    """A started adapter."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._changed = asyncio.Condition()
        self.delivered: list[Message] = []
        """Events and snapshots, in order."""
        self.states: list[str] = []
        self.errors: list[str] = []
        self.problem: str | None = None
        self._ended = False
        self._readers = [asyncio.create_task(self._read()), asyncio.create_task(self._read_errors())]

    @classmethod
    async def start(cls, command: Sequence[str], url: str) -> Client:
        """Starts the adapter."""
        pipe = asyncio.subprocess.PIPE
        environment = {**HEARTBEAT, **os.environ}
        process = await asyncio.create_subprocess_exec(
            *command, url, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment, limit=1 << 20
        )
        return cls(process)

    async def until(self, what: str, reached: Callable[[], bool], seconds: float) -> None:
        """Waits until the client has reported enough."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                while not reached():
                    if self.problem is not None:
                        raise Failed(self.problem)
                    if self._ended:
                        raise Failed("the client ended by itself")
                    await self._changed.wait()
        except TimeoutError:
            raise Failed(f"waited {seconds:.0f} s in vain: {what}") from None

    async def ended(self) -> None:
        """Waits until the process has ended by itself."""
        await self._process.wait()
        await asyncio.wait(self._readers)

    async def stop(self) -> None:
        """Ends the process."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 10)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await asyncio.gather(*self._readers)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._changed:
                self._take(line)
                self._changed.notify_all()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            kind = said["kind"]
            if kind in ("event", "snapshot"):
                said["seq"], said["epoch"]  # noqa: B018 (both have to be there)
                self.delivered.append(said)
            elif kind == "state":
                self.states.append(said["state"])
        except (ValueError, TypeError, KeyError):
            self.problem = f"the adapter printed a line that is not as the README has it: {line[:200]!r}"

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            if len(self.errors) < 200:
                self.errors.append(line.decode(errors="replace").rstrip())
