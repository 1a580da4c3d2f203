"""What the tests share. Each test runs in an event loop of its own, with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import pytest

from server import Server, running

Result = TypeVar("Result")
LIMIT_S = 120.0


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests that leave it as it is; each uses workspaces of its own."""
    with running() as server:
        yield server


def run(test: Awaitable[Result]) -> Result:
    """Runs a test's coroutine; a wait in vain is a failure and not a hanging test."""

    async def limited() -> Result:
        async with asyncio.timeout(LIMIT_S):
            return await test

    return asyncio.run(limited())
