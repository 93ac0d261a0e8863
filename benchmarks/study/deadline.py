"""The end of the time that trainings have: they are told to save and stop, and go on in the next call."""

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator
from threading import Timer

SOONEST = 1  # second after which runs can be told that the time is up
SAVING = 25  # seconds that a run has to save in when the time is up; a validation may take longer


@contextlib.contextmanager
def stopped_at(deadline: float) -> Iterator[None]:
    """Send this process SIGTERM when the time is up, as a scheduler does, and again to what has not saved then.

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
