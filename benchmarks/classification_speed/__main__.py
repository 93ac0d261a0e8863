"""How quickly a LumiNet epoch on CIFAR-100 goes by, beside a plain PyTorch loop, and where the rest of the time goes.

    python -m benchmarks.classification_speed [--device cuda] [--threads 1] [--rows default amp ...] [--out FILE.json]

All runs take turns in one process, a slice of an epoch at a time, on the same images, networks and batch size; the
result is the median of the ratios within a turn, with its quartiles. Compiling, the loaders' start and the first steps
come before; a slice in which something was compiled after all is an error.
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


def main() -> None:
    parser = argparse.ArgumentParser(prog='classification_speed', description=__doc__.splitlines()[0])
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--pair', help=f'<student>-<teacher>; default: {PAIRS}')
    parser.add_argument('--rows', nargs='+', help='which of our settings; default: all; none with --rows none')
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--steps', type=int, help='of a slice; default: 20, and 100 with --device cuda')
    parser.add_argument('--repeats', type=int, default=8)
    parser.add_argument('--step-repeats', type=int, default=60, help='of the comparison of single steps; 0: leave out')
    parser.add_argument('--threads', type=int, default=1, help='of torch')
    parser.add_argument('--workers', type=int, default=2, help='loader processes of the plain loop')
    parser.add_argument('--out', type=Path)
    args = parser.parse_args()
    args.pair = args.pair or PAIRS[args.device]
    args.steps = args.steps or (100 if args.device == 'cuda' else 20)
    args.out = args.out or RESULTS / f'classification_speed{"" if args.device == "cpu" else "_cuda"}.json'
    with tempfile.TemporaryDirectory() as folder:
        result = measure(args, Path(folder))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + '\n')
    print(json.dumps(result, indent=2))


def measure(args: argparse.Namespace, folder: Path, images: int = 50_000) -> dict:
    from mmengine.device import get_device

    from benchmarks.classification_speed import epochs, single_steps
    from benchmarks.classification_speed.pair import Pair

    if get_device() != args.device:
        raise SystemExit(
            f'--device {args.device}, but mmengine trains on {get_device()} here. To measure on the CPU of a machine '
            'with a GPU, set CUDA_VISIBLE_DEVICES= (empty).'
        )
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    pair = Pair(args.pair, folder, images)
    result = dict(pair=args.pair)
    if args.step_repeats:
        result |= single_steps.measured(pair, args, device)
    result['epochs'] = epochs.measured(pair, args, device)
    setting = {name: getattr(args, name) for name in ('batch_size', 'steps', 'repeats', 'threads', 'workers')}
    return result | dict(
        setting=setting | dict(images='CIFAR-100' if pair.real else 'random', step_repeats=args.step_repeats),
        hardware=torch.cuda.get_device_name() if args.device == 'cuda' else f'CPU ({platform.machine()})',
        versions=dict(luminet_det=luminet_det.__version__, torch=torch.__version__, python=platform.python_version()),
        cpus=os.cpu_count(),
    )


if __name__ == '__main__':
    main()
