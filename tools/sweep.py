"""Train a grid over config options: resumable, several seeds, one table and one plot at the end.

    python tools/sweep.py configs/cifar100/luminet_resnet20-resnet56.py --metric accuracy/top1 --seeds 3 \\
        --grid model.distill.0.loss.tau=1,2,4,8 train_dataloader.batch_size=32,64 \\
        --with 'model.distill.0.loss.loss_weight=(8.75 * {model.distill.0.loss.tau}) ** 2' \\
        --work-dir work_dirs/sweep_tau -- --amp

Works with any config that tools/train.py takes. Started again, it reuses what is finished and resumes what was cut
short. Words after `--` go to each training.
"""

import json
import shlex
import signal
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from luminet_det import config, in_use, sweep
from luminet_det.extra import require
from luminet_det.options import OptionsAction
from luminet_det.sweep.jobs import INTERRUPTED, python_script, tail
from luminet_det.sweep.point import LOG

TRAIN = Path(__file__).with_name('train.py')
OWN = ('--work-dir', '--seed', '--resume')


def parser() -> ArgumentParser:
    """The command line, up to `--`."""
    made = ArgumentParser(
        prog='sweep.py', description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument('config', help='path or zoo name of the config that all points share')
    made.add_argument('--grid', nargs='+', required=True, metavar='KEY=VALUE,VALUE', help='options and their values')
    made.add_argument(
        '--with',
        dest='links',
        nargs='+',
        default=[],
        metavar='KEY=FORMULA',
        help='options computed from others: numbers, {config.key}, + - * / // %% **, int round min max sqrt; quoted',
    )
    made.add_argument('--metric', required=True, help='metric to compare: accuracy/top1, coco/bbox_mAP, ...')
    made.add_argument('--lower-is-better', action='store_true', help='for a metric that is an error')
    made.add_argument('--seeds', type=int, default=1, help='seeds of each point, from 0 (default: 1)')
    made.add_argument('--work-dir', help='folder of the points (default: work_dirs/sweep_<config name>)')
    made.add_argument('--jobs', type=int, help='trainings at a time (default: one, or one per GPU of --gpus)')
    made.add_argument('--gpus', help='GPUs to share out among the trainings: 0,1')
    made.add_argument('--no-plot', action='store_true', help='write the table only')
    made.add_argument('--dry-run', action='store_true', help='print the commands that are left to run, and run none')
    return made


def main(argv: Sequence[str] | None = None, train: Sequence[str] | None = None) -> int:
    """Train the grid.

    Args:
        argv: Command-line arguments; default: those of this process.
        train: The beginning of a training's command; default: this Python and `tools/train.py`.

    Returns:
        0 if every point finished, 1 if not, 128 + the signal if one ended the work. Wrong arguments end the process
        with 2.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    words, extra = _split(words)
    flags = parser()
    args = flags.parse_args(words)
    train = list(train or python_script(TRAIN))
    with ExitStack() as folder:
        try:
            grid, points = plan(args, extra)
            if not args.dry_run:
                if not args.no_plot:
                    require('the plot is drawn', 'matplotlib', otherwise=' or give --no-plot')
                folder.enter_context(in_use.claimed(args.work_dir))
        except (FileNotFoundError, FileExistsError, ValueError, KeyError, ImportError, BlockingIOError) as error:
            flags.error(str(error.args[0]) if isinstance(error, KeyError) else str(error))
        return _work(args, grid, points, [*train, args.config], extra)


def _work(args: Namespace, grid: sweep.Grid, points: list[sweep.Point], train: list[str], extra: list[str]) -> int:
    """Train what is not finished, and show what came out; return what `main` returns."""
    left = {}
    for point in points:
        if not point.finished:
            options = [f'{key}={text}' for key, text in point.options.items()]
            command = [*train, '--work-dir', str(point.work_dir), '--seed', str(point.seed), '--resume']
            left[point.work_dir.name] = point, [*command, *extra, '--cfg-options', *options]
    print(f'{len(points)} points, {len(points) - len(left)} of them finished', flush=True)
    if args.dry_run:
        for _, command in left.values():
            print(shlex.join(command))
        return 0
    told, failed = _train(args, left)
    if told:
        print(f'{signal.Signals(told).name}: the same command continues from the checkpoints.', file=sys.stderr)
        return 128 + told
    try:
        _report(args, grid, points, extra)
    except KeyError as error:
        print(f'sweep.py: error: {error.args[0]}', file=sys.stderr)
        return 1
    return 1 if failed else 0


def plan(args: Namespace, extra: Sequence[str]) -> tuple[sweep.Grid, list[sweep.Point]]:
    """The grid and its points; any error that can be found without training is raised here, before anything runs."""
    if args.seeds < 1:
        raise ValueError(f'--seeds {args.seeds}: at least 1 is needed')
    if args.jobs is not None and args.jobs < 1:
        raise ValueError(f'--jobs {args.jobs}: at least 1 is needed')
    if own := [word for word in extra if word.partition('=')[0] in OWN]:
        raise ValueError(f'{own[0]} is set by the sweep for each training; remove it from the arguments after --')
    changes = ArgumentParser(add_help=False, allow_abbrev=False)
    changes.add_argument('--cfg-options', nargs='+', action=OptionsAction)
    shared, rest = changes.parse_known_args(list(extra))
    cfg = config.load(Namespace(config=args.config, cfg_options=shared.cfg_options))
    args.work_dir = Path(args.work_dir or f'work_dirs/sweep_{config.find(args.config).stem}')
    grid = sweep.Grid(sweep.parse_grid(args.grid), sweep.parse_links(args.links))
    points = grid.points(cfg, range(args.seeds), args.work_dir, rest)
    for point in points:
        point.check()
    return grid, points


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    if '--' not in words:
        return words, []
    place = words.index('--')
    return words[:place], words[place + 1 :]


def _train(args: Namespace, left: dict[str, tuple[sweep.Point, list[str]]]) -> tuple[int, list[str]]:
    """Train what is left; return the signal that ended it, or 0, and the names of the points that failed."""
    gpus = args.gpus.split(',') if args.gpus else []
    failed, ended = [], 0

    def end(job: sweep.Job, code: int) -> None:
        nonlocal ended
        ended += 1
        point = left[job.name][0]
        where = f'[{ended}/{len(left)}] {job.name}'
        if code == 0 and (found := point.validations()):
            point.finish()
            step = found[-1]['step']
            early = f' at {step} of {point.length}' if point.length and step < point.length else ''
            print(f'{where}: {args.metric} {found[-1].get(args.metric, "not measured")}{early}', flush=True)
        elif code in INTERRUPTED:
            print(f'{where}: interrupted', flush=True)
            failed.append(job.name)
        else:
            why = f'exit code {code}' if code else 'it ended without a validation'
            print(f'{where}: FAILED, {why}; the end of {job.log}:\n{tail(job.log)}\n', flush=True)
            failed.append(job.name)

    jobs = []
    for name, (point, command) in left.items():
        point.claim()
        jobs.append(sweep.Job(name, command, point.work_dir / LOG))
    return sweep.work_off(jobs, end, args.jobs or max(1, len(gpus)), gpus), failed


def _report(args: Namespace, grid: sweep.Grid, points: list[sweep.Point], extra: list[str]) -> None:
    found = sweep.outcomes(points, args.metric, args.lower_is_better)
    table = sweep.format_table(grid, found, args.metric, args.lower_is_better)
    args.work_dir.mkdir(parents=True, exist_ok=True)
    (args.work_dir / 'table.md').write_text(table + '\n')
    content = dict(
        config=args.config,
        metric=args.metric,
        grid=grid.values,
        links={key: formula.text for key, formula in grid.links.items()},
        words=extra,
        seeds=args.seeds,
        points=[outcome.as_dict() for outcome in found],
    )
    (args.work_dir / 'sweep.json').write_text(json.dumps(content, indent=1) + '\n')
    print(f'\n{table}\n\ntable    {args.work_dir / "table.md"}, numbers in sweep.json next to it')
    if not args.no_plot:
        sweep.draw(args.work_dir / 'plot.png', grid, found, args.metric)
        print(f'plot     {args.work_dir / "plot.png"}')


if __name__ == '__main__':
    sys.exit(main())
