"""Train a chain of configs, each the teacher of the next: teacher, assistants, student; resumable.

    python tools/train_chain.py configs/cifar100/resnet56.py configs/cifar100/takd/kd_resnet32-resnet56.py \\
        configs/cifar100/takd/takd_resnet20-resnet56.py --seed 1

Works with any configs that tools/train.py takes; all but the first must distil. The first may distil too, from its own
teacher. Each gets the weights of the one before as model.teacher.checkpoint, and the config of that run as
model.teacher.config. Started again, the same command skips what is finished and resumes what was cut short.
"""

import shlex
import signal
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from luminet_det import chain, config, in_use
from luminet_det.options import parse_value
from luminet_det.sweep import Job, work_off
from luminet_det.sweep.jobs import INTERRUPTED, python_script, tail

TRAIN = Path(__file__).with_name('train.py')
DIST_TRAIN = TRAIN.with_name('dist_train.sh')


def parser() -> ArgumentParser:
    """The command line."""
    made = ArgumentParser(
        prog='train_chain.py', description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument('configs', nargs='+', metavar='CONFIG', help='paths or zoo names, the teacher first')
    made.add_argument('--work-dir', help="folder of the runs' folders (default: work_dirs/chain_<last config's name>)")
    made.add_argument(
        '--pass-on',
        choices=chain.CHECKPOINTS,
        default='last',
        help="which weights teach the next: the last, or the best by the run's own validations (default: last)",
    )
    made.add_argument('--gpus', type=int, help='train each on this many GPUs, with tools/dist_train.sh')
    made.add_argument('--dry-run', action='store_true', help='print the plan and train nothing')
    every = made.add_argument_group('for every training, as in tools/train.py')
    every.add_argument('--amp', action='store_true')
    every.add_argument('--auto-scale-lr', action='store_true')
    every.add_argument('--deterministic', action='store_true')
    every.add_argument('--seed', type=int)
    every.add_argument('--val-split', type=float, metavar='SHARE')
    every.add_argument('--cfg-options', nargs='+', action='extend', default=[], metavar='KEY=VALUE')
    return made


def main(argv: Sequence[str] | None = None, train: Sequence[str] | None = None) -> int:
    """Train the chain.

    Args:
        argv: Command-line arguments; default: those of this process.
        train: The beginning of a training's command; default: this Python and `tools/train.py`, or with `--gpus`
            `tools/dist_train.sh`.

    Returns:
        0 if every run finished, 1 if one failed, 128 + the signal if one ended the work. Wrong arguments end the
        process with 2.
    """
    flags = parser()
    args = flags.parse_args(argv)
    train = list(train or (['bash', str(DIST_TRAIN)] if args.gpus else python_script(TRAIN)))
    with ExitStack() as folder:
        try:
            runs, record = plan(args)
            if not args.dry_run:
                folder.enter_context(in_use.claimed(record.path.parent))
        except (FileNotFoundError, FileExistsError, ValueError, BlockingIOError) as error:
            flags.error(str(error))
        _print_plan(args, runs, record.done)
        return 0 if args.dry_run else _work(args, runs, record, train)


def _work(args: Namespace, runs: list[chain.Run], record: chain.Record, train: list[str]) -> int:
    """Train what is not finished, and show what came out; return what `main` returns."""
    record.claim()
    for place, run in enumerate(runs[record.done :], start=record.done):
        try:
            taught = chain.options(runs[place - 1], run, args.pass_on) if place else {}
        except FileNotFoundError as error:
            print(f'train_chain.py: error: {error}', file=sys.stderr)
            return 1
        if code := _train(args, train, run, taught, f'{place + 1}/{len(runs)}'):
            return code
        record.finish(place)
    table = chain.format_table(runs, args.pass_on)
    path = record.path.with_name('table.md')
    path.write_text(f'{table}\n')
    print(f'\n{table}\n\ntable    {path}')
    return 0


def plan(args: Namespace) -> tuple[list[chain.Run], chain.Record]:
    """The runs and what their folder says of them; everything that can be wrong is found here, before anything runs."""
    if args.gpus is not None and args.gpus < 1:
        raise ValueError(f'--gpus {args.gpus}: at least 1 is needed')
    for word in args.cfg_options:
        if '=' not in word:
            raise ValueError(f'--cfg-options {word}: the form is KEY=VALUE')
    changes = {key: parse_value(text) for key, _, text in (word.partition('=') for word in args.cfg_options)}
    paths = [config.find(name) for name in args.configs]
    folder = Path(args.work_dir or f'work_dirs/chain_{paths[-1].stem}')
    runs = []
    for place, (name, path) in enumerate(zip(args.configs, paths, strict=True), start=1):
        cfg = config.load(Namespace(config=name, cfg_options=dict(changes)))
        runs.append(chain.Run(name, cfg, folder / f'{place}_{path.stem}'))
    chain.check_first(runs[0])
    for teacher, student in pairwise(runs):
        chain.check_pair(teacher, student, args.pass_on)
    return runs, chain.Record(folder, runs, [*_flags(args), args.pass_on])


def _flags(args: Namespace) -> list[str]:
    """The flags that every training gets."""
    words = [f'--{name}' for name in ('amp', 'auto-scale-lr', 'deterministic') if getattr(args, name.replace('-', '_'))]
    for name in ('seed', 'val-split'):
        if (value := getattr(args, name.replace('-', '_'))) is not None:
            words += [f'--{name}', str(value)]
    return words


def _print_plan(args: Namespace, runs: Sequence[chain.Run], done: int) -> None:
    print(f'A chain of {len(runs)} in {runs[0].work_dir.parent}, the {args.pass_on} weights of each teach the next')
    for place, run in enumerate(runs):
        state = 'finished' if place < done else 'to be resumed' if run.begun else 'to be trained'
        if place:
            teacher = f'by {runs[place - 1].name}'
        else:
            teacher = 'by its own teacher' if run.cfg.model.get('teacher') else 'alone'
        print(f'  {run.name}: {run.config}, {teacher}, {state}', flush=True)


def _train(args: Namespace, train: list[str], run: chain.Run, taught: dict[str, str], where: str) -> int:
    """Train one run to its end; return 0, or if it did not finish, the exit code of the chain."""
    changes = [*args.cfg_options, *(f'{key}={value}' for key, value in taught.items())]
    words = [run.config, *([str(args.gpus)] if args.gpus else []), '--work-dir', str(run.work_dir), '--resume']
    command = [*train, *words, *_flags(args), *(['--cfg-options', *changes] if changes else [])]
    run.work_dir.mkdir(parents=True, exist_ok=True)
    print(f'[{where}] {shlex.join(command)}\n      log: {run.log}', flush=True)
    codes = []
    told = work_off([Job(run.name, command, run.log)], lambda job, code: codes.append(code))
    code = codes[0] if codes else 0
    if told or code in INTERRUPTED:
        number = told or abs(code) % 128
        print(f'{signal.Signals(number).name}: the same command continues from here.', file=sys.stderr)
        return 128 + number
    if code:
        print(f'[{where}] {run.name}: FAILED, exit code {code}; the end of {run.log}:\n{tail(run.log)}', flush=True)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
