"""The scripted server: answers subscriptions as Earcon does, and misbehaves if a scenario asks for it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from websockets.asyncio.server import Server as Listening
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from .log import Log, Message

SHUT_WITHIN = 5.0
"""Time limit in seconds. Work that is not done by then ends with the process."""
PATH = "/api/v1/workspaces/local/events"


class Connection:
    """A client's connection."""

    def __init__(self, server: Server, socket: ServerConnection) -> None:
        self._server = server
        self._socket = socket
        self._subscriptions: asyncio.Queue[Message] = asyncio.Queue()
        self.following = False
        self.deaf = False
        self.gone = asyncio.Event()

    async def subscription(self) -> Message:
        """The next `subscribe` of the client that the scenario answers itself (see `Server.by_hand`)."""
        return await self._subscriptions.get()

    async def send(self, *messages: Message | str | bytes) -> None:
        """Sends messages. A client that has left meanwhile is no error."""
        try:
            for message in messages:
                text = json.dumps(message) if isinstance(message, dict) else message
                self._server.note("→", text)
                await self._socket.send(text)
        except ConnectionClosed:
            self._server.note("→", "(the client was gone)")

    async def close(self, code: int, reason: str = "") -> None:
        """Closes the connection with a close frame."""
        self._server.note("×", f"closed with {code}")
        self.following = False
        await self._socket.close(code, reason)

    def drop(self) -> None:
        """Aborts the connection without a close frame."""
        self._server.note("×", "dropped")
        self.following = False
        self._socket.transport.abort()

    def fall_silent(self) -> None:
        """Keeps the connection open but neither reads nor writes. Pings stay unanswered."""
        self._server.note("×", "silent")
        self.following = False
        self.deaf = True
        self._socket.transport.pause_reading()

    async def run(self) -> None:
        """Reads until the client leaves."""
        try:
            async for text in self._socket:
                self._server.note("←", text)
                message = json.loads(text)
                if message.get("type") == "ping":
                    await self.send({"type": "pong"})
                elif message.get("type") == "subscribe":
                    self._server.subscriptions.append(message)
                    if self._server.by_hand:
                        self._subscriptions.put_nowait(message)
                    else:
                        await self.answer(message)
        except ConnectionClosed:
            pass
        finally:
            self.following = False
            self.gone.set()

    async def answer(self, subscribe: Message) -> None:
        """Answers a subscription as Earcon does, from the present log."""
        log = self._server.log
        since = subscribe.get("since", "live")
        if since == "live":
            await self.send(log.subscribed(None))
        elif since == "snapshot":
            await self.send(log.subscribed(None), log.snapshot())
        elif log.holds(since, subscribe.get("epoch", log.epoch)):
            await self.send(log.subscribed(True), *log.events[since:])
        else:
            await self.send(log.subscribed(False), log.snapshot())
        self.following = True


class Server:
    """A server on a free port."""

    def __init__(self) -> None:
        self.log = Log("epoch-1")
        self.logs = [self.log]
        self.subscriptions: list[Message] = []
        """Every `subscribe` so far."""
        self.attempts: list[float] = []
        """When handshakes began, by the monotonic clock."""
        self.refuse: Callable[[int], bool] = lambda attempt: False
        """Whether a handshake (counted from 1) is answered with 503."""
        self.handshake_delay = 0.0
        self.by_hand = False
        """Whether the scenario answers subscriptions itself."""
        self.transcript: list[str] = []
        self._connections: asyncio.Queue[Connection] = asyncio.Queue()
        self._all: list[Connection] = []
        # Bound and not listening: the port is ours, and connections are refused.
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self._listening: Listening | None = None

    @property
    def url(self) -> str:
        """The address for the client."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def listen(self) -> None:
        """Begins to accept connections."""
        self._listening = await serve(
            self._accepted, sock=self._socket, process_request=self._handshake, ping_interval=None, close_timeout=1
        )

    async def shut(self) -> None:
        """Ends everything."""
        for connection in self._all:
            if not connection.gone.is_set():
                connection._socket.transport.abort()
        if self._listening is None:
            self._socket.close()
        else:
            self._listening.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._listening.wait_closed(), SHUT_WITHIN)

    async def connection(self) -> Connection:
        """The next connection a client makes."""
        return await self._connections.get()

    async def send_events(self, count: int = 1, type_: str = "samples") -> None:
        """Makes events and sends them to all followers."""
        events = [self.log.append(type_) for _ in range(count)]
        for connection in self._all:
            if connection.following:
                await connection.send(*events)

    def new_log(self, events: int = 0, first: int = 1) -> Log:
        """Replaces the log by another history, with an epoch of its own."""
        self.log = Log(f"epoch-{len(self.logs) + 1}", first=first)
        self.logs.append(self.log)
        for _ in range(events):
            self.log.append()
        return self.log

    def note(self, direction: str, text: object) -> None:
        """Records the conversation, to explain a failed scenario."""
        shown = text if isinstance(text, str) else repr(text)
        if len(self.transcript) < 500:
            self.transcript.append(f"{time.monotonic() % 1_000:8.3f} {direction} {shown[:200]}")

    async def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.attempts.append(time.monotonic())
        self.note("←", f"handshake {len(self.attempts)}: {request.path}")
        if self.handshake_delay:
            await asyncio.sleep(self.handshake_delay)
        if request.path.split("?")[0] != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, f"the suite serves {PATH} alone\n")
        if self.refuse(len(self.attempts)):
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "not now\n")
        return None

    async def _accepted(self, socket: ServerConnection) -> None:
        connection = Connection(self, socket)
        self._all.append(connection)
        self._connections.put_nowait(connection)
        await connection.run()
