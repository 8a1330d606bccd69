"""The time of a search, the same for all processes that take part in it."""

import time


def deadline_after(seconds: float | None) -> float | None:
    """Return the time of :func:`time.monotonic` so many seconds from now; None, which never comes, for None."""
    return None if seconds is None else time.monotonic() + seconds


class Clock:
    """Tells how long a search has run and when its time is up.

    A monotonic clock means nothing on another machine, so that a copy sent there is set by the time of day.

    Parameters
    ----------
    deadline : float or None
        Time of :func:`time.monotonic` at which the search is to stop.
    seconds : float, default=0.0
        How long the search has run already.
    """

    def __init__(self, deadline: float | None, seconds: float = 0.0) -> None:
        self.deadline = deadline
        self._started = time.monotonic() - seconds

    @property
    def seconds(self) -> float:
        """Seconds since the search began."""
        return time.monotonic() - self._started

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def __getstate__(self) -> tuple[float, float | None, float]:
        """Return seconds since the beginning and to the end, and the time of day."""
        left = None if self.deadline is None else self.deadline - time.monotonic()
        return self.seconds, left, time.time()

    def __setstate__(self, state: tuple[float, float | None, float]) -> None:
        """Go on from there; what the clock took to arrive has passed too."""
        seconds, left, sent = state
        arrived = time.monotonic() - max(0.0, time.time() - sent)
        self._started = arrived - seconds
        self.deadline = None if left is None else arrived + left
