"""The state machine of a subscription. Pure: no socket, no timer, no clock.

Invariant: each event is delivered at most once and in order. The server replays missed events, or a
snapshot with `lost` set replaces them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from . import events, model
from .errors import NotUnderstood
from .events import Event
from .model import Position, Snapshot

Since: TypeAlias = Literal["live", "snapshot"] | Position

GAPS_BEFORE_SNAPSHOT = 3
"""After this many gaps within the window, the client requests a snapshot instead of a replay."""
GAP_WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class Send:
    """A text message to send."""

    text: str


Effect: TypeAlias = Send | Event | Snapshot


@dataclass(slots=True)
class Link:
    """The state of a subscription, over all its connections."""

    first: Literal["live", "snapshot"] = "snapshot"
    kpis: Sequence[str] = ()
    types: Sequence[str] = ()
    position: Position | None = None
    subscribed: bool = False
    """Whether the server answered the subscription of the current connection."""
    _snapshot_due: bool = field(default=False, init=False)
    _gaps: int = field(default=0, init=False)
    _gap_at: float = field(default=float("-inf"), init=False)

    def open(self) -> Send:
        """Returns the first message of a new connection."""
        return self._subscribe(self.position or self.first)

    def handle(self, message: object, now: float) -> list[Effect]:
        """Handles a message. `now` is the time of a monotonic clock in seconds."""
        if not isinstance(message, dict):
            return []
        if "subject" in message and "data" in message:
            return self._event(message)
        match message.get("type"):
            case "subscribed":
                self._answered(message)
            case "snapshot":
                return self._snapshot(message)
            case "gap":
                return self._gap(message, now)
        return []

    def _subscribe(self, since: Since) -> Send:
        self.subscribed = False
        self._snapshot_due = since == "snapshot"
        message: dict[str, Any] = {"type": "subscribe"}
        if isinstance(since, Position):
            message |= {"since": since.seq, "epoch": since.epoch}
        else:
            message["since"] = since
        lists = {"kpis": list(self.kpis), "types": list(self.types)}
        filters = {name: values for name, values in lists.items() if values}
        if filters:
            message["filter"] = filters
        return Send(json.dumps(message))

    def _answered(self, message: dict[str, Any]) -> None:
        if self.subscribed:
            return
        self.subscribed = True
        if message.get("recovered") is False:
            self._snapshot_due = True
        elif self.position is None and not self._snapshot_due:
            # The answer contains the start position of a live subscription.
            self.position = Position(int(message["seq"]), str(message["epoch"]))

    def _snapshot(self, message: dict[str, Any]) -> list[Effect]:
        try:
            snapshot = model.snapshot(message, lost=self.position is not None)
        except (KeyError, TypeError, ValueError) as error:
            # Later events cannot be applied without the snapshot.
            raise NotUnderstood(f"cannot decode the server's snapshot: {error!r}") from error
        self.position = snapshot.position
        self._snapshot_due = False
        return [snapshot]

    def _event(self, message: dict[str, Any]) -> list[Effect]:
        # Events before the answer belong to the previous subscription.
        if not self.subscribed or self._snapshot_due or self.position is None:
            return []
        event = events.event(message)
        if event.seq <= self.position.seq:
            # An earlier event of another epoch is of another history.
            return [] if event.epoch == self.position.epoch else [self._subscribe("snapshot")]
        self.position = event.position
        return [event]

    def _gap(self, message: dict[str, Any], now: float) -> list[Effect]:
        start, end = int(message["from"]), int(message["to"])
        position = self.position
        # A gap of delivered events needs no repair.
        if not self.subscribed or self._snapshot_due or position is None or end <= position.seq:
            return []
        self._gaps = self._gaps + 1 if now - self._gap_at < GAP_WINDOW_S else 1
        self._gap_at = now
        if self._gaps >= GAPS_BEFORE_SNAPSHOT:
            self._gaps = 0
            return [self._subscribe("snapshot")]
        # All events before the gap were sent or excluded by the filter.
        if position.seq < start - 1:
            self.position = Position(start - 1, str(message["epoch"]))
        return [self._subscribe(self.position or position)]
