"""The time limit of trainings: they are told to save and stop, and continue in the next call."""

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator
from threading import Timer

SOONEST = 1  # seconds before which runs cannot be told that the time is up
SAVING = 25  # seconds that a run has for saving when the time is up; a validation may take longer


@contextlib.contextmanager
def stopped_at(deadline: float) -> Iterator[None]:
    """Send this process SIGTERM when the time is up, as a scheduler does, and again for runs that have not saved then.

    Args:
        deadline: By `time.monotonic()`.
    """
    left = max(deadline - time.monotonic(), SOONEST)
    told = (os.getpid(), signal.SIGTERM)
    timers = [Timer(seconds, os.kill, told) for seconds in (left, left + SAVING) if deadline < math.inf]
    for timer in timers:
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
