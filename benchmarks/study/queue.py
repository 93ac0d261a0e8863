"""The runs that a study asks for and does not have yet, several at a time."""

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from subprocess import CalledProcessError

from benchmarks.study.setting import REPORT, TUNE, Setting, result_file

Run = tuple[Setting, int]  # with its seed


def has_file(setting: Setting, seed: int) -> bool:
    return result_file(setting, seed).is_file()


def missing(wanted: Iterable[Run], kept: Callable[[Setting, int], object] = has_file) -> list[Run]:
    """Those without a result; says how many.

    Args:
        wanted: Settings with their seeds.
        kept: Gives the result of a run if there is one, and raises if it is of another run than its name says.
    """
    found = [(setting, seed) for setting, seed in dict.fromkeys(wanted) if not kept(setting, seed)]
    print(f'{len(found)} runs', flush=True)
    return found


def work_off(runs: Sequence[Run], finish: Callable[[Setting, int], dict], jobs: int) -> None:
    """Train all.

    Args:
        runs: Settings with their seeds.
        finish: Gives the result of a run, trained if there is none yet.
        jobs: Runs at a time, a core each.

    Raises:
        SystemExit: Some failed, which does not keep the others from being trained.
    """

    def attempt(run: Run) -> str | None:
        setting, seed = run
        try:
            scores = finish(setting, seed)['scores']
        except (CalledProcessError, RuntimeError, OSError) as error:
            return f'{setting.name} {seed}: {error}'
        tune, report = (scores[split][setting.metric] for split in (TUNE, REPORT))
        # Standard output is pycocotools', whose tables are kept from it for all threads at once.
        print(f'{setting.name} {seed}: {setting.metric} tune {tune:.3f} report {report:.3f}', file=sys.stderr)
        return None

    with ThreadPoolExecutor(jobs) as pool:
        failed = [text for text in pool.map(attempt, runs) if text]
    if failed:
        raise SystemExit('\n'.join(['Not finished:', *failed]))


def listed(runs: Sequence[Run]) -> str:
    """A line a run."""
    return '\n'.join(f'{setting.name} {seed}' for setting, seed in runs)
