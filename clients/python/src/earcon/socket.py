"""Opens WebSockets with the key of a client. Nothing here shows the key."""

from __future__ import annotations

import logging
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from .errors import ApiError

ENDING = (401, 403)
"""Answers that end following: other credentials are needed, or more rights."""


class _HideKey(logging.Filter):
    """Hides the key in the headers that `websockets` logs at the level DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args
        if isinstance(args, tuple) and len(args) == 2 and str(args[0]).lower() == "authorization":
            record.args = (args[0], "(key)")
        return True


_logger = logging.getLogger("earcon.websocket")
_logger.addFilter(_HideKey())


def authorization(key: str | None) -> dict[str, str]:
    """Returns the headers that carry a key. Raises ValueError, which does not show the key."""
    if key is None:
        return {}
    if not key or not all("!" <= letter <= "~" for letter in key):
        raise ValueError("the key is empty, or has spaces, line breaks or characters other than ASCII")
    return {"Authorization": f"Bearer {key}"}


async def open_socket(url: str, headers: dict[str, str], **options: Any) -> ClientConnection:
    """Opens a WebSocket. Raises ApiError for an answer that would be the same the next time."""
    # WebSocket pings are disabled, because they would close the connections of slow consumers.
    try:
        return await connect(
            url,
            additional_headers=headers,
            logger=_logger,
            compression=None,
            ping_interval=None,
            close_timeout=1,
            open_timeout=None,
            **options,
        )
    except InvalidStatus as error:
        response = error.response
        if response.status_code not in ENDING:
            raise
        body = bytes(response.body or b"").decode(errors="replace")
        raise ApiError.of(response.status_code, body) from None
