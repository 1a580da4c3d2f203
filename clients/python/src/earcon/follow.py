"""Runs the state machine of `link` with a WebSocket, a clock and random numbers."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidURI, WebSocketException

from .backoff import backoff
from .errors import NotUnderstood
from .events import Event
from .link import Link, Send
from .model import Snapshot
from .socket import open_socket

State: TypeAlias = Literal["connecting", "subscribing", "live", "waiting"]
PING = '{"type":"ping"}'
MAX_MESSAGE = 256 * 1024 * 1024
"""Maximum message size in bytes. It exceeds a snapshot of the largest workspace."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Limits for a silent connection. Seconds."""

    ping_after: float = 15.0
    """Silence after which the client sends a ping."""
    dead_after: float = 25.0
    """Silence after which the connection is replaced."""
    connect_within: float = 10.0
    """Timeout for connecting and for subscribing."""


async def follow(
    url: str, headers: dict[str, str], link: Link, heartbeat: Heartbeat, on_state: Callable[[State], None] | None
) -> AsyncGenerator[Event | Snapshot, None]:
    """Delivers events until the iterator is closed. Connects and reconnects automatically.

    Raises ApiError if the server answers 401 or 403, also after a connection that it permitted.
    """
    report: Callable[[State], None] = on_state or (lambda _state: None)
    failures = 0
    while True:
        answered = False
        link.subscribed = False
        report("connecting")
        try:
            async with aclosing(_connection(url, headers, link, heartbeat, report)) as deliveries:
                async for delivery in deliveries:
                    answered = True
                    yield delivery
        except InvalidURI:
            raise
        except (OSError, TimeoutError, WebSocketException, EOFError):
            # All other connection errors are temporary: retry.
            pass
        failures = 1 if answered or link.subscribed else failures + 1
        report("waiting")
        await asyncio.sleep(backoff(failures, random.random()))


async def _connection(
    url: str, headers: dict[str, str], link: Link, heartbeat: Heartbeat, report: Callable[[State], None]
) -> AsyncGenerator[Event | Snapshot, None]:
    """Yields the deliveries of one connection. Raises an error if the connection breaks."""
    # The heartbeat of the protocol detects silent connections.
    socket = await asyncio.wait_for(open_socket(url, headers, max_size=MAX_MESSAGE), heartbeat.connect_within)
    try:
        await socket.send(link.open().text)
        report("subscribing")
        while True:
            before = link.subscribed
            message = await _receive(socket, heartbeat, link.subscribed)
            for effect in _handle(link, message):
                if isinstance(effect, Send):
                    await socket.send(effect.text)
                else:
                    yield effect
            if link.subscribed and not before:
                report("live")
    except TimeoutError:
        # A silent peer does not answer a close frame, so the socket is closed without one.
        socket.transport.abort()
        raise
    finally:
        await socket.close()


def _handle(link: Link, message: str | bytes) -> list[Send | Event | Snapshot]:
    if isinstance(message, bytes):
        return []
    try:
        return link.handle(json.loads(message), time.monotonic())
    except NotUnderstood:
        raise
    except (ValueError, KeyError, TypeError):
        # A message that does not match the protocol is skipped.
        return []


async def _receive(socket: ClientConnection, heartbeat: Heartbeat, live: bool) -> str | bytes:
    """Returns the next message. Raises TimeoutError if no answer to a ping arrives in time."""
    if not live:
        async with asyncio.timeout(heartbeat.connect_within):
            return await socket.recv()
    try:
        async with asyncio.timeout(heartbeat.ping_after):
            return await socket.recv()
    except TimeoutError:
        async with asyncio.timeout(max(0.1, heartbeat.dead_after - heartbeat.ping_after)):
            await socket.send(PING)
            return await socket.recv()
