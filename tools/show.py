"""See what distilling has changed: annotations, teacher, student alone and distilled student on the same images.

    python tools/show.py configs/coco/luminet_r18-faster-rcnn-r101_fpn_1x_coco.py work_dirs/distilled/epoch_12.pth \\
        --plain work_dirs/alone/epoch_12.pth

Runs on images of val_dataloader, draws those on which the distilled student gains most and loses most against the
student alone, or without --plain against the teacher, and counts right, wrong and missed boxes on all of them. The
teacher is the config's own.
"""

import pickle
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from luminet_det import config, pictures
from luminet_det.extra import require
from luminet_det.pictures.comparison import DISTILLED
from luminet_det.published.markdown import table


def parser() -> ArgumentParser:
    """The command line."""
    made = ArgumentParser(
        prog='show.py', description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    config.add_arguments(made, runs=False)
    made.add_argument('checkpoint', help='file or URL of the weights of the distilled student')
    made.add_argument('--plain', metavar='CHECKPOINT', help='weights of the same student trained alone')
    made.add_argument('--images', type=int, default=6, metavar='N', help='rows of the picture (default: 6)')
    made.add_argument(
        '--of', type=int, default=200, metavar='N', help='images to choose them from, 0 for all (default: 200)'
    )
    made.add_argument('--score', type=float, default=0.5, help='boxes with a lower score are left out (default: 0.5)')
    made.add_argument('--out', type=Path, help='the PNG (default: work_dirs/show/<config name>.png)')
    made.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Draw and count.

    Args:
        argv: Command-line arguments; default: those of this process.
    """
    flags = parser()
    args = flags.parse_args(argv)
    if args.images < 1 or args.of < 0 or not 0 <= args.score <= 1:
        flags.error('--images must be at least 1, --of at least 0, --score between 0 and 1')
    try:
        require('the picture is drawn', 'matplotlib')
        cfg = config.load(args)
        out = _prepared(args.out or Path(f'work_dirs/show/{config.find(args.config).stem}.png'))
        found = pictures.compare(
            cfg, args.checkpoint, args.plain, args.of or None, args.score, args.device, lambda text: print(text)
        )
    except (AssertionError, ImportError, OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        flags.error(str(error))
    counts = found.counts
    rows = [[name, *map(str, map(sum, zip(*of, strict=True)))] for name, of in counts.items()]
    head = [f'{len(found.scenes)} of {found.total} images, score >= {args.score:g}', 'right', 'wrong', 'missed']
    print(f'\n{table(head, rows)}\n')
    before, after = counts[found.other], counts[DISTILLED]
    chosen = pictures.telling(before, after, args.images)
    gains = [after[i].balance - before[i].balance for i in chosen]
    won, level, lost = (sum(test) for test in zip(*((g > 0, g == 0, g < 0) for g in gains), strict=True))
    pictures.draw(
        out,
        [found.scenes[i] for i in chosen],
        {name: [boxes[i] for i in chosen] for name, boxes in found.found.items()},
        f'Chosen from {len(found.scenes)} images: {won} with the largest gains of the distilled student over the '
        f'{found.other}, {level} without a difference, {lost} with its largest losses. Beside each image: right boxes '
        f'minus wrong ones, {found.other} → distilled, counting boxes with a score of {args.score:g} or more.',
        [f'{before[i].balance:+d} → {after[i].balance:+d}' for i in chosen],
    )
    print(f'picture  {out}')


def _prepared(out: Path) -> Path:
    """The PNG's path, in a folder that exists."""
    if out.is_dir():
        raise ValueError(f'--out {out} is a folder; name a file in it')
    if out.suffix.lower() not in ('.png', '.jpg', '.jpeg', '.pdf', '.svg'):
        out = out.with_name(f'{out.name}.png')
    out.parent.mkdir(parents=True, exist_ok=True)
    return out


if __name__ == '__main__':
    sys.exit(main())
