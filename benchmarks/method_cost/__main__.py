"""What a training step of each method costs: time relative to KD's, additional parameters, peak memory.

    python -m benchmarks.method_cost [--repeats 12] [--device cuda] [--only kd fitnet] [--out FILE.json]

Classifiers: the pair of the papers' efficiency table, resnet8x4 <- resnet32x4, batches of 64, by the configs of
configs/cifar100. Detectors: the quickstart's pair on images of 128 px, by the configs of configs/quickstart. The
methods' steps, including the optimizer's, are timed in turn within each repetition; a ratio is the median of those
within a repetition, with its quartiles. Images and teachers' weights are random, which costs the same.
"""

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable
from pathlib import Path

import torch

import luminet_det
from benchmarks.step_cost.measure import interleaved, peak, ratio

RESULTS = Path(__file__).parents[1] / 'results'

# Milliseconds of a step as published for resnet8x4 <- resnet32x4 (LumiNet, table 3).
PUBLISHED = dict(kd=11, rkd=25, fitnet=14, ofd=19, crd=41, reviewkd=26, dkd=11, luminet=11)


def main() -> None:
    parser = argparse.ArgumentParser(prog='method_cost', description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=12)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--batch-size', type=int, default=64, help='batch size of the classifiers')
    parser.add_argument('--only', nargs='+', help='names of methods; kd is always among them')
    parser.add_argument('--tasks', nargs='+', default=['classifiers', 'detectors'])
    parser.add_argument('--out', type=Path, default=RESULTS / 'method_cost.json')
    args = parser.parse_args()
    result = measure(args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + '\n')
    print(json.dumps(result, indent=2))


def measure(args: argparse.Namespace) -> dict:
    from benchmarks.method_cost import classifiers, detectors

    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    tasks = dict(classifiers=classifiers.steps, detectors=detectors.steps)
    found = {}
    for task in args.tasks:
        steps = tasks[task](device, args.batch_size)
        chosen = {name: step for name, step in steps.items() if not args.only or name in (*args.only, 'kd')}
        found[task] = _rows(chosen, args.repeats, device)
    return dict(
        setting=dict(
            device=torch.cuda.get_device_name() if device.type == 'cuda' else platform.machine(),
            cores=os.cpu_count(),
            threads=args.threads,
            repeats=args.repeats,
            batch_size=args.batch_size,
            torch=torch.__version__,
            luminet_det=luminet_det.__version__,
        ),
        **found,
    )


def _rows(steps: dict[str, Callable], repeats: int, device: torch.device) -> dict[str, dict]:
    seconds = interleaved(steps, repeats, device)
    memory = {name: peak(step, device) for name, step in steps.items()}
    return {
        name: dict(
            milliseconds=round(1e3 * statistics.median(taken), 2),
            over_kd=ratio(taken, seconds['kd']),
            memory_over_kd=round(memory[name] / memory['kd'], 4),
            parameters=steps[name].learned,
            remembered=steps[name].remembered,
        )
        for name, taken in seconds.items()
    }


if __name__ == '__main__':
    main()
