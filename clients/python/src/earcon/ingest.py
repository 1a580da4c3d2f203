"""Sends samples: in batches the server takes, again while it has no room. Sending a sample twice is harmless."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, Self

from .backoff import backoff
from .errors import ApiError, EarconError, Unreachable

BATCH = 10_000
"""Samples of one request."""
ATTEMPTS = 5
"""How often a batch is tried while the server has no room or is not there."""
LISTED = 1_000
"""Rejected rows a receipt keeps at most."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample. Without a timestamp (milliseconds, or an aware datetime) it gets the time it arrives at."""

    kpi: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    timestamp: int | datetime | None = None

    def wire(self) -> dict[str, Any]:
        """As the server takes it."""
        row: dict[str, Any] = {"kpi": self.kpi, "value": self.value}
        if self.labels:
            row["labels"] = dict(self.labels)
        if isinstance(self.timestamp, datetime):
            if self.timestamp.tzinfo is None:
                raise ValueError(f"the timestamp of a sample of {self.kpi!r} has no time zone: {self.timestamp}")
            row["timestamp"] = round(self.timestamp.timestamp() * 1_000)
        elif self.timestamp is not None:
            row["timestamp"] = self.timestamp
        return row


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was refused. `row` counts from 0, in the samples that were given."""

    row: int
    error: str


@dataclass(slots=True)
class Receipt:
    """What became of samples."""

    accepted: int = 0
    """Samples that are durable now."""
    rejected: list[Rejected] = field(default_factory=list)
    """The first of them; the server lists at most a hundred a request."""
    rejected_total: int = 0
    seq: int | None = None
    """The last event that the samples became part of."""
    epoch: str | None = None

    def add(self, answer: Mapping[str, Any], offset: int) -> None:
        """Takes the answer to one request, whose rows began at `offset`."""
        self.accepted += answer.get("accepted", 0)
        self.rejected_total += answer.get("rejected_total", 0)
        listed = (Rejected(offset + row["row"], row["error"]) for row in answer.get("rejected", ()))
        self.rejected.extend(islice(listed, LISTED - len(self.rejected)))
        self.seq = answer.get("seq", self.seq)
        self.epoch = answer.get("epoch", self.epoch)


Post = Callable[[Sequence[Mapping[str, Any]]], Awaitable[Mapping[str, Any]]]
"""Sends the rows of one request; raises ApiError or Unreachable."""


async def send(post: Post, samples: Iterable[Sample]) -> Receipt:
    """Sends samples; answers when all of them are durable. Rows the server refused are listed, and are no error.

    Raises ApiError or Unreachable when a batch failed in all attempts; batches before it are durable.
    """
    receipt = Receipt()
    offset = 0
    for rows in _batches(sample.wire() for sample in samples):
        receipt.add(await _post(post, rows), offset)
        offset += len(rows)
    return receipt


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


async def _post(post: Post, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await post(rows)
        except ApiError as error:
            if error.problem.get("type") == "/problems/nothing-accepted":
                return error.problem
            if not error.passing or attempt == ATTEMPTS:
                raise
            asked = error.retry_after or 0.0
        except Unreachable:
            if attempt == ATTEMPTS:
                raise
            asked = 0.0
        await asyncio.sleep(max(asked, backoff(attempt, random.random())))
    raise AssertionError("the last attempt returns or raises")


class Batcher:
    """Gathers samples into batches: by number, or when the first of them has waited long enough.

    An asynchronous context manager; leaving it sends what is left. `put` waits while twice a batch is on its way, so
    that memory is bounded. An error of sending is raised by the next `put`, or on leaving.
    """

    def __init__(self, post: Post, size: int = 1_000, within: float = 0.5) -> None:
        if not 1 <= size <= BATCH:
            raise ValueError(f"size must be 1 to {BATCH}, not {size}")
        self.receipt = Receipt()
        """What became of all samples so far; rows are counted over all of them."""
        self._post = post
        self._size = size
        self._within = within
        self._waiting: asyncio.Queue[Sample | None] = asyncio.Queue(maxsize=2 * size)
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sender = asyncio.create_task(self._send())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sender = self._sender
        assert sender is not None, "left without having been entered"
        if isinstance(error, asyncio.CancelledError):
            sender.cancel()
        else:
            await self._hand_over(sender, None)
        await asyncio.wait([sender])
        if error is None:
            sender.result()

    async def put(self, sample: Sample) -> None:
        """Takes a sample; returns before it is sent."""
        if self._sender is None:
            raise EarconError("a batcher has to be entered with `async with` first")
        await self._hand_over(self._sender, sample)
        if self._sender.done():
            self._sender.result()

    async def _hand_over(self, sender: asyncio.Task[None], sample: Sample | None) -> None:
        """Waits for room, or for the sender to have failed, after which there never will be any."""
        try:
            self._waiting.put_nowait(sample)
        except asyncio.QueueFull:
            putting = asyncio.create_task(self._waiting.put(sample))
            try:
                await asyncio.wait([putting, sender], return_when=asyncio.FIRST_COMPLETED)
            finally:
                putting.cancel()

    async def _send(self) -> None:
        offset = 0
        while (first := await self._waiting.get()) is not None:
            rows, last = await self._gather(first)
            self.receipt.add(await _post(self._post, rows), offset)
            offset += len(rows)
            if last:
                return

    async def _gather(self, first: Sample) -> tuple[list[dict[str, Any]], bool]:
        rows = [first.wire()]
        try:
            async with asyncio.timeout(self._within):
                while len(rows) < self._size:
                    sample = await self._waiting.get()
                    if sample is None:
                        return rows, True
                    rows.append(sample.wire())
        except TimeoutError:
            pass
        return rows, False
