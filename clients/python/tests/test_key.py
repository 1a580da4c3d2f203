"""The key of a client goes to the server, and nowhere else. The server is a script of the test."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

import earcon
from conftest import run
from earcon import ApiError, Client

KEY = "ek_abcdefghijkl_secret"
REASON = "the key was revoked"
SNAPSHOT = {"type": "snapshot", "seq": 1, "epoch": "e", "kpis": [], "anomalies": [], "incidents": []}
CONFIG = {"type": "config", "codec": "opus", "sample_rate": 48_000, "channels": 2, "frame_ms": 20, "pre_skip": 312}


class Script:
    """A server that takes `accepted` WebSockets, ends each after its first message, and then answers `status`."""

    def __init__(self, accepted: int, status: int = 401) -> None:
        self.left = accepted
        self.status = status
        self.seen: list[str | None] = []

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.seen.append(request.headers.get("Authorization"))
        socket = "Upgrade" in request.headers
        if socket and self.left > 0:
            self.left -= 1
            return None
        body = json.dumps({"status": self.status, "detail": REASON} if socket else {"workspaces": [{"id": "local"}]})
        response = connection.respond(HTTPStatus(self.status if socket else 200), body)
        return response

    async def converse(self, socket: ServerConnection) -> None:
        if "mixes" in (socket.request.path if socket.request else ""):
            await socket.send(json.dumps(CONFIG))
            return
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribed", "seq": 1, "epoch": "e", "recovered": None}))
        await socket.send(json.dumps(SNAPSHOT))

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client, None]:
        # The lines that this server logs are not those of the client.
        silent = logging.Logger("silent", logging.CRITICAL)
        async with serve(self.converse, "127.0.0.1", 0, process_request=self.answer, logger=silent) as server:
            port = server.sockets[0].getsockname()[1]
            async with Client(f"http://127.0.0.1:{port}", key=KEY) as client:
                yield client


async def until_error(deliveries: AsyncGenerator[Any, None]) -> tuple[int, ApiError]:
    """Returns the number of deliveries before the error, and the error."""
    count = 0
    async with aclosing(deliveries) as open_deliveries:
        try:
            async for _ in open_deliveries:
                count += 1
        except ApiError as error:
            return count, error
    raise AssertionError("it ended without an error")


def test_key_goes_with_requests_and_with_each_handshake() -> None:
    async def test() -> None:
        script = Script(accepted=2)
        async with script.client() as client:
            assert await client.workspaces() == ["local"]
            await until_error(client.events())
            await until_error(client.listen())
        assert script.seen == [f"Bearer {KEY}"] * 5

    run(test())


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("stream", [Client.events, Client.listen])
def test_refused_key_ends_following_and_listening_also_after_a_connection(
    stream: Callable[[Client], AsyncGenerator[Any, None]], status: int
) -> None:
    async def test() -> None:
        script = Script(accepted=1, status=status)
        async with script.client() as client:
            delivered, error = await until_error(stream(client))
        assert (delivered, error.status, error.detail) == (1, status, REASON)

    run(test())


def test_key_is_in_no_log_line_error_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        script = Script(accepted=1)
        async with script.client() as client:
            assert KEY not in repr(client)
            _, error = await until_error(client.events())
            assert KEY not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
            await client.workspaces()

    with caplog.at_level(logging.DEBUG):
        run(test())
    assert "Authorization" in caplog.text, "the headers were logged at all"
    assert KEY not in caplog.text


def test_key_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    for odd in ("", "ek_a b", "ek_a\n", "ek_\u00e9"):
        with pytest.raises(ValueError) as error:
            earcon.Client(key=odd)
        assert "ek_" not in str(error.value)
