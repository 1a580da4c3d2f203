"""The errors that this package raises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class EarconError(Exception):
    """The base class of all errors of this package."""


class ApiError(EarconError):
    """An error response of the server, an RFC 9457 problem document."""

    def __init__(
        self, status: int, detail: str, problem: Mapping[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.problem: Mapping[str, Any] = problem or {}
        """The problem document: `type`, `title`, `detail`, and further members for some types."""
        self.retry_after = retry_after
        """The pause that the server asks for, in seconds."""

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (429, 503)

    @classmethod
    def of(cls, status: int, body: str, retry_after: str | None = None) -> ApiError:
        """Parses an error response."""
        seconds = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
        try:
            problem = json.loads(body)
            detail = problem.get("detail") or problem["title"]
        except (ValueError, KeyError, AttributeError):
            return cls(status, body.strip()[:200] or "no reason given", None, seconds)
        return cls(status, str(detail), problem, seconds)


class Unreachable(EarconError):
    """The server did not answer."""


class NotUnderstood(EarconError):
    """The server sent a message that this version cannot decode and must not skip."""
