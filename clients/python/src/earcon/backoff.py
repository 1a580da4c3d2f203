"""How long to wait before trying again."""

FIRST_S = 0.5
LONGEST_S = 15.0


def backoff(failures: int, chance: float) -> float:
    """Seconds to wait: exponential with equal jitter, so that many clients that lost the same server do not all come back at once.

    `failures` is how many attempts failed in a row, at least 1; `chance` is from 0 (inclusive) to 1 (exclusive).
    """
    full: float = min(LONGEST_S, FIRST_S * 2 ** min(failures - 1, 10))
    return full / 2 + full / 2 * chance
