"""Handwritten digits on a CPU: a teacher, a student alone, the same student with LumiNet, and what it gained.

    python tools/quickstart.py              # one seed, about 8 minutes on two recent cores
    python tools/quickstart.py --seeds 3    # mean and sd over three seeds
    python tools/quickstart.py --short      # about 2 minutes; the same stages, but the scores mean nothing

Started again, it reuses what is done and resumes what was cut short.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from luminet_det import in_use
from luminet_det.options import OptionsAction, parse_value
from luminet_det.quickstart.digits import STAMP, prepare_digits
from luminet_det.quickstart.picture import draw_comparison
from luminet_det.quickstart.runs import Run, finish
from luminet_det.quickstart.table import format_table, summarise
from luminet_det.sweep.jobs import INTERRUPTED

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIGS = REPOSITORY / 'configs' / 'quickstart'
SHORT_STEPS = dict(teacher=200, student=100)
# Measured on two shared cores; a teacher's step costs about two of the student's.
EXPECTED = dict(data='10 s', teacher='3.5 min', student='1.5 min', distilled='2 min', picture='10 s')
EXPECTED_SHORT = EXPECTED | dict(teacher='1 min', student='20 s', distilled='30 s')


def main() -> None:
    args = parse_args()
    work_dir = Path(args.work_dir or ('work_dirs/quickstart-short' if args.short else 'work_dirs/quickstart'))
    with contextlib.ExitStack() as folder:
        try:
            folder.enter_context(in_use.claimed(work_dir))
        except BlockingIOError as error:
            sys.exit(f'quickstart.py: error: {error}')
        train_and_show(args, work_dir)


def train_and_show(args: argparse.Namespace, work_dir: Path) -> None:
    """Go through the stages: data, teacher, students, picture and table."""
    data_root = Path(args.data_root)

    announce(args.seeds, args.short)
    stage('data', f'scenes of real handwritten digits in {data_root}')
    print('drawn' if prepare_digits(data_root) else 'reused', flush=True)
    stamp = (data_root / STAMP).read_text()

    def run(name: str, stock: str, folder: str, seed: int, options: dict, *context: str) -> Run:
        steps = steps_options(SHORT_STEPS[stock]) if args.short else {}
        options = {**data_options(data_root), **steps, **options, **(args.cfg_options or {})}
        return Run(CONFIGS / f'{name}.py', CONFIGS / f'{stock}.py', work_dir / folder, seed, options, (stamp, *context))

    stage('teacher', 'the wide detector')
    teacher = run('teacher', 'teacher', 'teacher', 0, {})
    runs = dict(teacher=[finish_or_exit(teacher)], student=[], distilled=[])
    of_teacher = {'model.teacher.checkpoint': str(teacher.checkpoint)}
    students, distilled = [], []
    for seed in range(args.seeds):
        students.append(run('student', 'student', f'student-seed{seed}', seed, {}))
        fingerprint = runs['teacher'][0]['fingerprint']
        distilled.append(run('luminet_student', 'student', f'distilled-seed{seed}', seed, of_teacher, fingerprint))
        stage('student', f'the narrow detector alone, seed {seed}')
        runs['student'].append(finish_or_exit(students[-1]))
        stage('distilled', f'the same detector with LumiNet, seed {seed}')
        runs['distilled'].append(finish_or_exit(distilled[-1]))

    stage('picture', 'ground truth | teacher | student | distilled')
    picture = work_dir / 'comparison.png'
    shown = dict(teacher=teacher, student=students[0], distilled=distilled[0])
    draw_comparison(picture, data_root, {name: (of.stock_config, of.checkpoint) for name, of in shown.items()})
    table = format_table(runs)
    (work_dir / 'table.md').write_text(table + '\n')
    write_results(work_dir / 'results.json', runs)
    if args.short:
        print('\nA shortened run shows that everything works, not what distillation brings.')
    print(
        f'\n{table}\n\n'
        f'table    {work_dir / "table.md"}, numbers in results.json next to it\n'
        f'picture  {picture}\n'
        'next     your own data and detectors: configs/quickstart/README.md, docs/'
    )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument('--seeds', type=int, default=1, help='seeds of both students (default: 1)')
    parser.add_argument('--short', action='store_true', help='far fewer steps, in another default work dir')
    parser.add_argument('--work-dir', help='default: work_dirs/quickstart, or work_dirs/quickstart-short')
    parser.add_argument('--data-root', default='data/digits', help='default: data/digits')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionsAction, help='KEY=VALUE pairs that override every config'
    )
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error(f'--seeds {args.seeds}: at least 1 is needed')
    for flag, folder in (('--work-dir', args.work_dir), ('--data-root', args.data_root)):
        # Both are handed to the trainings by --cfg-options.
        if folder and parse_value(folder) != folder:
            parser.error(f'{flag} {folder!r}: give a folder whose name is not quoted, a number, a list, True or None')
    return args


def data_options(root: Path) -> dict[str, str]:
    """Return the config values that say where the scenes are."""
    return {
        'train_dataloader.dataset.data_root': f'{root}/',
        'val_dataloader.dataset.data_root': f'{root}/',
        'val_evaluator.ann_file': f'{root}/annotations/val.json',
    }


def steps_options(steps: int) -> dict[str, int]:
    """Return the config values that set how long a training is."""
    return {'train_cfg.max_iters': steps, 'train_cfg.val_interval': steps, 'param_scheduler.1.end': steps}


def announce(seeds: int, short: bool) -> None:
    repeated = f', {seeds} times' if seeds > 1 else ''
    print('Stages and their time on two cores, less where an earlier run has done part of them:')
    for name, duration in (EXPECTED_SHORT if short else EXPECTED).items():
        print(f'  {name:<10} {duration}{repeated if name in ("student", "distilled") else ""}', flush=True)


def stage(name: str, what: str) -> None:
    print(f'\n=== {name}: {what}', flush=True)


def finish_or_exit(run: Run) -> dict:
    """Finish a run; if its training fails, stop with its exit code."""
    try:
        result = finish(run, train)
    except subprocess.CalledProcessError as error:
        if error.returncode in INTERRUPTED:
            print('\nInterrupted. The same command continues from the last checkpoint.', file=sys.stderr)
        else:
            log = newest_log(run.work_dir)
            print(f'\nThe training in {run.work_dir} failed; see above or its log: {log}', file=sys.stderr)
        sys.exit(error.returncode if error.returncode > 0 else 128 - error.returncode)
    print(f'AP {result["AP"]:.3f} after {result["steps"]} steps, {run.work_dir}', flush=True)
    return result


def train(run: Run) -> None:
    """Run tools/train.py; raises CalledProcessError if it ends with anything but 0."""
    command = [sys.executable, str(REPOSITORY / 'tools' / 'train.py'), str(run.config)]
    command += ['--work-dir', str(run.work_dir), '--seed', str(run.seed), '--resume', 'auto']
    command += ['--cfg-options', *(f'{key}={value}' for key, value in run.options.items())]
    # Images this small gain next to nothing from a second thread, and one thread adds up in a fixed order: the scores
    # are the same on any number of cores, and other busy processes cost only part of the speed.
    process = subprocess.Popen(command, env={'OMP_NUM_THREADS': '1', **os.environ})
    # The training handles the signal and saves a checkpoint first. Ctrl-C reaches it directly.
    previous = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while process.returncode is None:
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
    finally:
        signal.signal(signal.SIGTERM, previous)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def newest_log(work_dir: Path) -> Path:
    logs = sorted(work_dir.glob('*/*.log'))
    return logs[-1] if logs else work_dir


def write_results(path: Path, runs: dict[str, list[dict]]) -> None:
    commit = subprocess.run(
        ['git', '-C', str(REPOSITORY), 'rev-parse', 'HEAD'], capture_output=True, text=True, check=False
    )
    content = dict(
        runs=runs,
        summary={name: summarise(results) for name, results in runs.items()},
        versions={name: version(name) for name in ('torch', 'mmdet', 'mmengine', 'luminet_det')},
        python=platform.python_version(),
        machine=platform.machine(),
        cpus=os.cpu_count(),
        commit=commit.stdout.strip() or None,
    )
    path.write_text(json.dumps(content, indent=1) + '\n')


if __name__ == '__main__':
    main()
