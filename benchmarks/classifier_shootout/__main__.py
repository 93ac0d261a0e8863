"""Train every classification method: benchmarks/results/classifier_shootout has a file for each run.

    python -m benchmarks.classifier_shootout --search              # the weights of each method, seed 0
    python -m benchmarks.classifier_shootout --seeds 1 2 3         # then the best of each, on other seeds

One to three minutes per run on one core, and a quarter of an hour for the teacher if there is none yet. Finished runs
are not repeated, and interrupted ones resume.
"""

from benchmarks.classifier_shootout.run import finish, kept, ready
from benchmarks.classifier_shootout.settings import ASSISTANT, CHAIN, Setting, Teacher
from benchmarks.classifier_shootout.tables import CLASSIFIERS
from benchmarks.study import command_line, queue


def work_off(wanted: list[queue.Run], jobs: int, dry: bool) -> None:
    """Train the runs that have no result yet."""
    if dry:
        print(queue.listed(queue.missing(wanted)))
        return
    missing = queue.missing(wanted, kept)
    # Before the students, several of which would otherwise start to train it.
    ready(Teacher())
    if any(setting.method == CHAIN for setting, _ in missing):
        ready(Setting(ASSISTANT))
    queue.work_off(missing, finish, jobs)


if __name__ == '__main__':
    command_line.main(CLASSIFIERS, 'classifier_shootout', __doc__.splitlines()[0], work_off)
