"""Repeat the runs behind the studies' main conclusions: benchmarks/results/replication has a file for each run.

    python -m benchmarks.replication --jobs 2

Two to three minutes per run. Finished runs are not repeated, and interrupted ones resume.
"""

from benchmarks.digits_study import command_line
from benchmarks.replication.settings import asked

SEEDS = (6, 7, 8, 9, 10)

if __name__ == '__main__':
    command_line.main('replication', __doc__.splitlines()[0], asked().values(), SEEDS)
