"""Mean and spread over seeds, and the paired difference of two groups by seed."""

import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev

NOT_RUN = 'not run'
CONFIDENCE = 0.95
FEWEST = 3  # pairs that an interval is given for


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Write mean ± sample sd; only the mean for a single value, 'not run' for none."""
    if not values:
        return NOT_RUN
    text = f'{mean(values):.{digits}f}'
    return text if len(values) == 1 else f'{text} ± {stdev(values):.{digits}f}'


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> str:
    """Write the mean of `ours - theirs` over the seeds that both have, with its 95% t interval from 3 seeds on.

    Args:
        ours: Values by seed.
        theirs: Values by seed of what they are compared with.

    Returns:
        Such as '+1.40 (+0.82 to +1.98)'; '-' without a common seed.
    """
    differences = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    if not differences:
        return '-'
    middle, n = mean(differences), len(differences)
    if n < FEWEST:
        return f'{middle:+.2f} (n = {n})'
    low, high = interval(differences)
    counted = '' if n == len(ours) else f', n = {n}'
    return f'{middle:+.2f} ({low:+.2f} to {high:+.2f}{counted})'


def gap_closed(teacher: float | None, student: float, distilled: float) -> float | None:
    """(distilled - student) / (teacher - student); None without a teacher that is ahead of the student."""
    if teacher is None or teacher <= student:
        return None
    return (distilled - student) / (teacher - student)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95% t interval of a mean, of two values or more."""
    from scipy.stats import t

    middle, n = mean(values), len(values)
    reach = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * stdev(values) / math.sqrt(n)
    return middle - reach, middle + reach
