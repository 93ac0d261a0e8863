"""Train what the studies conclude first once more: benchmarks/results/replication has a file for each run.

    python -m benchmarks.replication --jobs 2

Two to three minutes a run. What is done is not done again; what was cut short resumes.
"""

from benchmarks.digits_study import command_line
from benchmarks.replication.settings import asked

SEEDS = (6, 7, 8, 9, 10)

if __name__ == '__main__':
    command_line.main('replication', __doc__.splitlines()[0], asked().values(), SEEDS)
