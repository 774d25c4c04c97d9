"""Two implementations timed in turn: both meet the machine in the same state."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple


class Timed(NamedTuple):
    """Median seconds of one call."""

    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Our time in units of theirs."""
        return self.ours / self.theirs


def in_turn(
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    *,
    seconds: float = 3.0,
    at_least: int = 3,
) -> Timed:
    """Call both alternately, after one call that is not counted.

    Args:
        ours: Blocks until it is done.
        theirs: The same.
        seconds: Goes on for so long, at least `at_least` times.
        at_least: Smallest number of timed calls of each.

    Returns:
        The medians.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for function in (ours, theirs):
        function()
    begin = time.perf_counter()
    while len(times[0]) < at_least or time.perf_counter() - begin < seconds:
        for function, durations in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            function()
            durations.append(time.perf_counter() - start)
    return Timed(*map(median, times))
