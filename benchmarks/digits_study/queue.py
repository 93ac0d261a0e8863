"""The runs that a study asks for and does not have yet, several at a time."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from subprocess import CalledProcessError

from benchmarks.digits_study.run import DATA, STUDIED, Setting, Teacher, finish, result_file
from benchmarks.digits_study.scenes import prepare
from luminet_det.quickstart.digits import prepare_digits


def work_off(wanted: Iterable[tuple[Setting, int]], jobs: int, dry: bool = False) -> None:
    """Train what has no result file.

    Args:
        wanted: Settings with their seeds.
        jobs: Runs at a time, a core each.
        dry: Print what would be trained, and stop.
    """
    missing = [(setting, seed) for setting, seed in wanted if not result_file(setting, seed).is_file()]
    print(f'{len(missing)} runs', flush=True)
    if dry:
        print(*(f'{setting.name} {seed}' for setting, seed in missing), sep='\n')
        return
    prepare_digits(DATA)
    prepare(STUDIED)
    for uneven in sorted({setting.uneven for setting, _ in missing}):
        report(Teacher(uneven), 0)
    with ThreadPoolExecutor(jobs) as pool:
        failed = [text for text in pool.map(lambda run: attempt(*run), missing) if text]
    if failed:
        raise SystemExit('\n'.join(['Not finished:', *failed]))


def attempt(setting: Setting, seed: int) -> str | None:
    """Train, and let the others go on if that fails; returns what happened."""
    try:
        report(setting, seed)
    except (CalledProcessError, RuntimeError, OSError) as error:
        return f'{setting.name} {seed}: {error}'
    return None


def report(setting: Setting, seed: int) -> None:
    found = finish(setting, seed)['scores']
    print(f'{setting.name} {seed}: AP tune {found["tune"]["AP"]:.3f} report {found["report"]["AP"]:.3f}', flush=True)
