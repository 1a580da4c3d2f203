"""Exponential backoff with random jitter."""

FIRST_S = 0.5
LONGEST_S = 15.0


def backoff(failures: int, chance: float) -> float:
    """Returns the pause before the next attempt in seconds.

    The pause doubles with each failure. Half of it is random, so that many clients do not
    reconnect to a restarted server at the same time.

    `failures` is the number of consecutive failures, at least 1.
    `chance` is a random number from 0 (inclusive) to 1 (exclusive).
    """
    full: float = min(LONGEST_S, FIRST_S * 2 ** min(failures - 1, 10))
    return full / 2 + full / 2 * chance
