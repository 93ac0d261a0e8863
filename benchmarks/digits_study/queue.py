"""The runs on the digits that a study needs: the data first, then the teachers, then the students."""

from collections.abc import Iterable

from benchmarks.digits_study.run import DATA, STUDIED, finish, heard_by, kept, ready
from benchmarks.digits_study.scenes import prepare
from benchmarks.study import queue
from luminet_det.quickstart.digits import prepare_digits


def work_off(wanted: Iterable[queue.Run], jobs: int, dry: bool = False) -> None:
    """Train the runs that have no result file.

    Args:
        wanted: Settings with their seeds.
        jobs: Runs at a time, one core each.
        dry: Print what would be trained, and stop.
    """
    wanted = list(wanted)
    if dry:
        print(queue.listed(queue.missing(wanted)))
        return
    prepare_digits(DATA)
    prepare(STUDIED)
    missing = queue.missing(wanted, kept)
    # Before the students, several of which would otherwise start to train it.
    for teacher in dict.fromkeys(heard_by(setting) for setting, _ in missing):
        ready(teacher)
    queue.work_off(missing, finish, jobs)
