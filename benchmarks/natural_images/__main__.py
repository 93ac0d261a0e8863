"""Photographs: a teacher, then every method beside the plain student, over seeds; stops and resumes as you like.

    python -m benchmarks.natural_images finetune --jobs 2              4 epochs from ImageNet's weights; on a CPU
    python -m benchmarks.natural_images scratch --amp --minutes 8.5    72 epochs, stock widths; on a GPU
    python -m benchmarks.natural_images scratch --rehearse             16 images, thin nets; on a CPU

Trains the configs of configs/voc07_small_lite or configs/voc07_small. A finished run is not repeated, an interrupted
one continues within its epoch. Each writes a JSON file to benchmarks/results/natural_images, a rehearsal next to its
run in work_dirs/natural_images.
"""

import argparse
import math
import re
import sys
import time
from itertools import product
from pathlib import Path

from benchmarks.natural_images.pretrained import prepare
from benchmarks.natural_images.run import finish
from benchmarks.natural_images.study import METHODS, PLAIN, RECIPES, REHEARSED, ROOT, TEACHER, Study


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog='benchmarks.natural_images', description=__doc__.splitlines()[0])
    parser.add_argument('recipe', choices=RECIPES, help='which configs')
    parser.add_argument('--methods', nargs='+', default=METHODS, choices=METHODS)
    parser.add_argument('--seeds', type=int, default=1, help='of every student; all have the teacher of seed 0')
    parser.add_argument('--epochs', type=int, help="instead of the configs'; the cosine ends with them")
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time; they share cores and GPU')
    parser.add_argument('--minutes', type=float, default=math.inf, help='stop after this long; resumes next time')
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument('--data-root', type=Path, default=ROOT / 'data' / 'voc07_small')
    parser.add_argument(
        '--series', default='', help='a name: a teacher of its own, with its results, beside the others'
    )
    parser.add_argument('--rehearse', action='store_true', help=f'16 images, {REHEARSED} epochs')
    parser.add_argument('--cfg-options', nargs='+', default=(), metavar='KEY=VALUE', help='for every run')
    args = parser.parse_args(argv)
    deadline = time.monotonic() + 60 * args.minutes
    if not (args.data_root / 'train.json').is_file():
        parser.error(f'{args.data_root} has no train.json; put the data there, or give --data-root')
    if not re.fullmatch(r'[\w-]*', args.series):
        parser.error(f'--series {args.series}: a name of letters, digits, _ and - is needed')
    recipe = RECIPES[args.recipe]
    epochs = args.epochs or (REHEARSED if args.rehearse else recipe.epochs)
    study = Study(
        recipe, args.data_root.resolve(), epochs, args.amp, tuple(args.cfg_options), args.rehearse, args.series
    )
    if not args.rehearse:
        prepare(recipe.pretrained, ROOT / 'data' / 'efficientnet_lite')
    # Students without a teacher need not wait for it.
    alone = [(PLAIN, seed) for seed in range(args.seeds) if PLAIN in args.methods]
    taught = [(method, seed) for seed, method in product(range(args.seeds), args.methods) if method != PLAIN]
    first = [(TEACHER, 0), *alone] if taught else alone
    if not (finish(study, first, args.jobs, deadline) and finish(study, taught, args.jobs, deadline)):
        sys.exit('Stopped; run the same command again to continue.')


if __name__ == '__main__':
    main()
