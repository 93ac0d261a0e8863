"""CIFAR-100: teachers, then every method beside the plain student, over seeds; stops and resumes as you like.

    python -m benchmarks.cifar100 short                         resnet20 <- resnet56, hours on a CPU
    python -m benchmarks.cifar100 full --minutes 9 --seeds 1    resnet8x4 <- resnet32x4, 240 epochs; on a GPU

`short` trains the configs of configs/cifar100_short, `full` those of configs/cifar100. A run that is done is kept, one
that was cut short resumes. Each leaves its result.json, and the numbers behind its log, in benchmarks/results/cifar100.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / 'benchmarks' / 'results' / 'cifar100'
PAIRS = {
    'short': ['resnet20-resnet56'],
    'full': ['resnet8x4-resnet32x4', 'wrn_16_2-wrn_40_2', 'vgg8-vgg13'],
}
FOLDERS = {'short': 'cifar100_short', 'full': 'cifar100'}
METHODS = ('plain', 'kd', 'dkd', 'luminet')  # of the many there are


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('protocol', choices=PAIRS)
    parser.add_argument('--pairs', nargs='+', help='student-teacher')
    parser.add_argument('--methods', nargs='+', default=METHODS, help="'plain', or what a config's name begins with")
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--minutes', type=float, default=float('inf'), help='stop after this long; resumes next time')
    parser.add_argument('--train-args', default='', help="for every run, e.g. '--amp --cfg-options model.compile=True'")
    args = parser.parse_args()
    deadline = time.monotonic() + 60 * args.minutes
    for pair in args.pairs or PAIRS[args.protocol]:
        student, teacher = pair.split('-')
        # The students' configs look for their teacher's weights here.
        done = run(args, teacher, 0, deadline, folder='' if args.protocol == 'full' else FOLDERS['short'])
        for seed, method in product(range(args.seeds), args.methods):
            name = student if method == 'plain' else f'{method}_{pair}'
            done = done and run(args, name, seed, deadline, folder=f'{FOLDERS[args.protocol]}/seed{seed}')
        if not done:
            sys.exit('The time is up; the same command goes on from here.')


def run(args: argparse.Namespace, name: str, seed: int, deadline: float, folder: str) -> bool:
    """Train one config to its end, unless that was done; False if the time was up before."""
    work_dir = ROOT / 'work_dirs' / folder / name
    if not (work_dir / 'result.json').is_file():
        config = find(FOLDERS[args.protocol], name)
        command = [sys.executable, 'tools/train.py', config, '--resume', '--seed', str(seed), '--work-dir']
        process = subprocess.Popen([*command, str(work_dir.relative_to(ROOT)), *args.train_args.split()], cwd=ROOT)
        left = deadline - time.monotonic()
        try:
            process.wait(None if left == float('inf') else max(left, 1))
        except subprocess.TimeoutExpired:
            # As a scheduler does it: the run saves, and resumes within its epoch.
            process.send_signal(signal.SIGTERM)
            process.wait()
            return False
        if process.returncode:
            sys.exit(f'{config} ended with exit code {process.returncode}')
    OUT.mkdir(parents=True, exist_ok=True)
    stem = f'{name}_{args.protocol}_seed{seed}'
    shutil.copy(work_dir / 'result.json', OUT / f'{stem}.json')
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    (OUT / f'{stem}.jsonl').write_text(''.join(log.read_text() for log in logs))
    return True


def find(folder: str, name: str) -> str:
    """The config of this name, in the folder or in one below it.

    Raises:
        SystemExit: There is none.
    """
    found = sorted((ROOT / 'configs' / folder).rglob(f'{name}.py'))
    if not found:
        sys.exit(f'There is no config {name}.py in configs/{folder}; correct --methods or --pairs.')
    return str(found[0].relative_to(ROOT))


if __name__ == '__main__':
    main()
