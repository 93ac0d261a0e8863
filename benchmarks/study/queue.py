"""The runs that a study needs and does not have yet, several at a time."""

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from subprocess import CalledProcessError

from benchmarks.study.setting import REPORT, TUNE, Setting, result_file

Run = tuple[Setting, int]  # with its seed


def has_file(setting: Setting, seed: int) -> bool:
    return result_file(setting, seed).is_file()


def missing(wanted: Iterable[Run], kept: Callable[[Setting, int], object] = has_file) -> list[Run]:
    """The runs without a result; prints how many.

    Args:
        wanted: Settings with their seeds.
        kept: Returns the result of a run if there is one, and raises if it is from another run than its name says.
    """
    found = [(setting, seed) for setting, seed in dict.fromkeys(wanted) if not kept(setting, seed)]
    print(f'{len(found)} runs', flush=True)
    return found


def work_off(runs: Sequence[Run], finish: Callable[[Setting, int], dict], jobs: int) -> None:
    """Train all.

    Args:
        runs: Settings with their seeds.
        finish: Returns the result of a run, after training if there is none yet.
        jobs: Runs at a time, one core each.

    Raises:
        SystemExit: Some failed; the others are trained nevertheless.
    """

    def attempt(run: Run) -> str | None:
        setting, seed = run
        try:
            scores = finish(setting, seed)['scores']
        except (CalledProcessError, RuntimeError, OSError) as error:
            return f'{setting.name} {seed}: {error}'
        tune, report = (scores[split][setting.metric] for split in (TUNE, REPORT))
        # Not on standard output, which is redirected for all threads at once to hide pycocotools' tables.
        print(f'{setting.name} {seed}: {setting.metric} tune {tune:.3f} report {report:.3f}', file=sys.stderr)
        return None

    with ThreadPoolExecutor(jobs) as pool:
        failed = [text for text in pool.map(attempt, runs) if text]
    if failed:
        raise SystemExit('\n'.join(['Not finished:', *failed]))


def listed(runs: Sequence[Run]) -> str:
    """One line per run."""
    return '\n'.join(f'{setting.name} {seed}' for setting, seed in runs)
