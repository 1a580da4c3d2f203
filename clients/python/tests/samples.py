"""Deterministic samples for tests."""

from __future__ import annotations

import math
import time

from earcon import Sample


def now() -> int:
    """Milliseconds since the Unix epoch."""
    return round(time.time() * 1_000)


def ordinary(kpi: str, count: int, end: int) -> list[Sample]:
    """Ordinary samples: a wave with noise, one sample per second, the last one at `end`."""
    values = (round(100 + 2 * math.sin(i / 9) + (i * 7_919 % 101) / 50, 2) for i in range(count))
    return [Sample(kpi, value, timestamp=end - (count - 1 - i) * 1_000) for i, value in enumerate(values)]


def spike(kpi: str, count: int, start: int) -> list[Sample]:
    """Samples far above the ordinary level, one per second from `start`."""
    return [Sample(kpi, 400.0 + i, timestamp=start + i * 1_000) for i in range(count)]
