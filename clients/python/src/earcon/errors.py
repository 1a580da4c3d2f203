"""Answers that were not a success."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class EarconError(Exception):
    """Everything this package raises."""


class ApiError(EarconError):
    """The server refused a request, in its own words (RFC 9457)."""

    def __init__(
        self, status: int, detail: str, problem: Mapping[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.problem: Mapping[str, Any] = problem or {}
        """The whole problem document: `type`, `title`, `detail`, and more for some."""
        self.retry_after = retry_after
        """How many seconds the server asks to wait."""

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (429, 503)

    @classmethod
    def of(cls, status: int, body: str, retry_after: str | None = None) -> ApiError:
        """The error of an answer."""
        seconds = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
        try:
            problem = json.loads(body)
            detail = problem.get("detail") or problem["title"]
        except (ValueError, KeyError, AttributeError):
            return cls(status, body.strip()[:200] or "no reason given", None, seconds)
        return cls(status, str(detail), problem, seconds)


class Unreachable(EarconError):
    """Nobody answered."""


class NotUnderstood(EarconError):
    """The server said something that this version cannot make sense of, and that cannot be passed over."""
