"""Sends samples in batches and retries them while the server is full.

Sending a sample twice is safe, because a sample replaces an equal one.
"""

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
"""Maximum number of samples in one request."""
ATTEMPTS = 5
"""Maximum number of attempts for a batch while the server is full or unreachable."""
LISTED = 1_000
"""Maximum number of rejected rows in a receipt."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample.

    The timestamp is in milliseconds or an aware datetime. None means the time of arrival.

    `counter` says whether the value is a total that only grows: its increase per second is scored.
    Say it with each sample. `ended` ends the series with this sample, whose value may be None. The
    first `unit` and `description` that are stated for a KPI stay.
    """

    kpi: str
    value: float | None
    labels: Mapping[str, str] = field(default_factory=dict)
    timestamp: int | datetime | None = None
    counter: bool | None = None
    ended: bool = False
    unit: str | None = None
    description: str | None = None

    def wire(self) -> dict[str, Any]:
        """Returns the sample as a row of the ingest request."""
        row: dict[str, Any] = {"kpi": self.kpi, "value": self.value}
        stated = {"counter": self.counter, "unit": self.unit, "description": self.description}
        row.update({name: value for name, value in stated.items() if value is not None})
        if self.ended:
            row["ended"] = True
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
    """A rejected sample. `row` is its index in the given samples, from 0."""

    row: int
    error: str


@dataclass(slots=True)
class Receipt:
    """The result of sending samples."""

    accepted: int = 0
    """Number of durable samples."""
    rejected: list[Rejected] = field(default_factory=list)
    """The first rejected samples. The server lists at most 100 per request."""
    rejected_total: int = 0
    seq: int | None = None
    """The last event that contains samples."""
    epoch: str | None = None

    def add(self, answer: Mapping[str, Any], offset: int) -> None:
        """Adds the response to one request. The first row of the request has index `offset`."""
        self.accepted += answer.get("accepted", 0)
        self.rejected_total += answer.get("rejected_total", 0)
        listed = (Rejected(offset + row["row"], row["error"]) for row in answer.get("rejected", ()))
        self.rejected.extend(islice(listed, LISTED - len(self.rejected)))
        self.seq = answer.get("seq", self.seq)
        self.epoch = answer.get("epoch", self.epoch)


Post = Callable[[Sequence[Mapping[str, Any]]], Awaitable[Mapping[str, Any]]]
"""Sends the rows of one request. Raises ApiError or Unreachable."""


async def send(post: Post, samples: Iterable[Sample]) -> Receipt:
    """Sends samples. Returns when all of them are durable or rejected. Rejected rows are no error.

    Raises ApiError or Unreachable if all attempts of a batch failed. Earlier batches are durable.
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
            if not error.temporary or attempt == ATTEMPTS:
                raise
            requested = error.retry_after or 0.0
        except Unreachable:
            if attempt == ATTEMPTS:
                raise
            requested = 0.0
        await asyncio.sleep(max(requested, backoff(attempt, random.random())))
    raise AssertionError("the last attempt returns or raises")


class Batcher:
    """Collects samples into batches. A batch is sent when it is full or `within` seconds old.

    It is an asynchronous context manager. At its end it sends the last batch. `put` waits while
    two batches of samples are queued, so that memory is bounded. The next `put`, or the end of
    the context, raises an error of sending.
    """

    def __init__(self, post: Post, size: int = 1_000, within: float = 0.5) -> None:
        if not 1 <= size <= BATCH:
            raise ValueError(f"size must be 1 to {BATCH}, not {size}")
        self.receipt = Receipt()
        """The result of all samples so far. Row indices count over all samples."""
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
        assert sender is not None, "the batcher was not entered"
        if isinstance(error, asyncio.CancelledError):
            sender.cancel()
        else:
            await self._enqueue(sender, None)
        await asyncio.wait([sender])
        if error is None:
            sender.result()

    async def put(self, sample: Sample) -> None:
        """Queues a sample. Returns before the sample is sent."""
        if self._sender is None:
            raise EarconError("enter the batcher with `async with` first")
        await self._enqueue(self._sender, sample)
        if self._sender.done():
            self._sender.result()

    async def _enqueue(self, sender: asyncio.Task[None], sample: Sample | None) -> None:
        """Waits until the queue has room or the sender has failed."""
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
            rows, last = await self._collect(first)
            self.receipt.add(await _post(self._post, rows), offset)
            offset += len(rows)
            if last:
                return

    async def _collect(self, first: Sample) -> tuple[list[dict[str, Any]], bool]:
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
