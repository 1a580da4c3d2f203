"""Fixtures of the tests. Each test runs in its own event loop, with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import pytest

from earcon import Client
from server import Server, running

Result = TypeVar("Result")
LIMIT_S = 120.0
WORKSPACES = ["follows", "resumes", "anomalies", "history", "rows", "batches", "sound", "stated"]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server shared by all tests that do not stop it. Each test uses its own workspaces."""
    with running() as server:
        asyncio.run(create(server.url))
        yield server


async def create(url: str) -> None:
    async with Client(url) as client:
        for workspace in WORKSPACES:
            await client.create_workspace(workspace)


def run(test: Awaitable[Result]) -> Result:
    """Runs a test's coroutine. The test fails if it exceeds the time limit."""

    async def limited() -> Result:
        async with asyncio.timeout(LIMIT_S):
            return await test

    return asyncio.run(limited())
