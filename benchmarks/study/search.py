"""The same search for every method."""

from collections.abc import Callable, Sequence

from benchmarks.study.found import best_of, has_run
from benchmarks.study.setting import Setting

Beyond = Callable[[Sequence[Setting], Setting], Setting | None]


def searched(first: Sequence[Setting], beyond: Beyond) -> tuple[list[Setting], list[Setting]]:
    """A method's tries, and those of them or beyond them that have still to run.

    Args:
        first: The tries that every method has.
        beyond: Returns, for the tries and the best of them, one more beyond their end, or None. A run that exists for
            another reason is not a try unless this returns it.
    """
    tries = list(first)
    while all(map(has_run, tries)):
        further = beyond(tries, best_of(tries))
        if further is None:
            return tries, []
        if not has_run(further):
            return tries, [further]
        tries.append(further)
    return tries, [setting for setting in tries if not has_run(setting)]
