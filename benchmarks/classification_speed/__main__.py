"""How fast a LumiNet epoch on CIFAR-100 is, compared with a plain PyTorch loop, and where the rest of the time goes.

    python -m benchmarks.classification_speed [--device cuda] [--threads 1] [--rows default amp ...] [--out FILE.json]

Each of our settings takes turns with the plain loop, a slice of an epoch at a time, on the same images, networks and
batch size; the result is the median of the ratios within a turn, with its quartiles. Compiling, the loaders' start and
the first steps are not timed; a slice in which something is compiled nevertheless is an error.

The file is written after each part. The same command continues with what is missing; other --rows are added to it.
"""

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path

import torch

import luminet_det

RESULTS = Path(__file__).parents[1] / 'results'
PAIRS = dict(cpu='resnet20-resnet56', cuda='resnet8x4-resnet32x4')


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog='classification_speed', description=__doc__.splitlines()[0])
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--pair', help=f'<student>-<teacher>; default: {PAIRS}')
    parser.add_argument('--rows', nargs='+', help='which of our settings; default: all; none with --rows none')
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--steps', type=int, help='steps of a slice; default: 20, and 100 with --device cuda')
    parser.add_argument('--repeats', type=int, default=8)
    parser.add_argument('--step-repeats', type=int, default=60, help='repeats for single steps; 0: leave them out')
    parser.add_argument('--threads', type=int, default=1, help='of torch')
    parser.add_argument('--workers', type=int, default=2, help='loader processes of the plain loop')
    parser.add_argument('--out', type=Path)
    args = parser.parse_args(argv)
    args.pair = args.pair or PAIRS[args.device]
    args.steps = args.steps or (100 if args.device == 'cuda' else 20)
    args.out = args.out or RESULTS / f'classification_speed{"" if args.device == "cpu" else "_cuda"}.json'
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(args, Path(folder)), indent=2))


def measure(args: argparse.Namespace, folder: Path, images: int = 50_000) -> dict:
    """Measure what is missing in `args.out`.

    Args:
        args: The command line's.
        folder: Where weights, images and logs go.
        images: Number of random images that replace CIFAR-100's.

    Raises:
        SystemExit: mmengine trains on another device, a row is unknown, or the file was measured differently.
    """
    from mmengine.device import get_device

    from benchmarks.classification_speed import epochs, single_steps
    from benchmarks.classification_speed.pair import Pair
    from benchmarks.classification_speed.record import Record

    if get_device() != args.device:
        raise SystemExit(
            f'--device {args.device}, but mmengine trains on {get_device()} here. To measure on the CPU of a machine '
            'with a GPU, set CUDA_VISIBLE_DEVICES= (empty).'
        )
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    ways = epochs.ways(args.rows, device)
    pair = Pair(args.pair, folder, images)
    record = Record(args.out, conditions(args, 'CIFAR-100' if pair.real else 'random'))
    if args.step_repeats:
        for part, measured in dict(step=single_steps.step, runner=single_steps.runner).items():
            if part not in record:
                record.add(part, measured(pair, args, device))
    if missing := [way for way in ways if way not in record]:
        plain = pair.plain(device, args.workers, args.batch_size)
        for way in missing:
            record.add_way(way, epochs.measured(pair, plain, way, args, device))
    record.write()
    return record.content


def conditions(args: argparse.Namespace, images: str) -> dict:
    """What all parts of a result have in common."""
    names = ('batch_size', 'steps', 'repeats', 'threads', 'workers', 'step_repeats')
    return dict(
        pair=args.pair,
        setting={name: getattr(args, name) for name in names} | dict(images=images),
        hardware=torch.cuda.get_device_name() if args.device == 'cuda' else f'CPU ({platform.machine()})',
        versions=dict(luminet_det=luminet_det.__version__, torch=torch.__version__, python=platform.python_version()),
        cpus=os.cpu_count(),
    )


if __name__ == '__main__':
    main()
