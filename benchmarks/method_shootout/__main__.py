"""Train every detector method on the digits: benchmarks/results/method_shootout has a file for each run.

    python -m benchmarks.method_shootout --search                  # the weights of each method, seed 0
    python -m benchmarks.method_shootout --seeds 1 2 3             # then the best of each, on other seeds

Two to four minutes per run. Finished runs are not repeated, and interrupted ones resume.
"""

from benchmarks.digits_study.queue import work_off
from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.study import command_line

if __name__ == '__main__':
    command_line.main(DETECTORS, 'method_shootout', __doc__.splitlines()[0], work_off)
