"""Look at a classifier beside its teacher: six pictures and a table of numbers, as PNG files and one HTML page.

    python tools/analyze.py configs/cifar100/luminet_resnet20-resnet56.py work_dirs/luminet/epoch_240.pth \\
        --compare work_dirs/resnet20/epoch_240.pth

The teacher is the config's own, or that of --teacher-config and --teacher-checkpoint; without one, what needs it is
left out. The images are those of test_dataloader. docs/looking_at_a_student.md says how to read the pictures.
"""

import pickle
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from luminet_det import config
from luminet_det.classification.analysis.gallery import shown_classes
from luminet_det.classification.analysis.page import cells
from luminet_det.classification.analysis.report import write_report
from luminet_det.classification.analysis.subjects import ask
from luminet_det.extra import require


def parser() -> ArgumentParser:
    """The command line."""
    made = ArgumentParser(
        prog='analyze.py', description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    config.add_arguments(made, runs=False)
    made.add_argument('checkpoint', help='file or URL of the weights')
    made.add_argument('--out', help='folder of pictures and page (default: work_dirs/analysis/<config name>)')
    made.add_argument('--images', type=int, metavar='N', help='look at N images, evenly over classes (default: all)')
    made.add_argument('--teacher-config', help='path of the config of a teacher')
    made.add_argument('--teacher-checkpoint', help='its weights')
    made.add_argument('--compare', metavar='CHECKPOINT', help='second network of the same config, e.g. trained alone')
    made.add_argument('--compare-name', default='plain', help='what the pictures call it (default: plain)')
    made.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        default=['10'],
        help='classes in the pictures of single classes: one number, 2 to 21, or their names (default: 10)',
    )
    made.add_argument('--tau', type=float, help="temperature of the perceptions (default: that of the config's loss)")
    made.add_argument('--seed', type=int, default=0, help='of the t-SNE and of the batch that is shown')
    made.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Look at a classifier.

    Args:
        argv: Command-line arguments; default: those of this process.

    Returns:
        0. Wrong arguments, files or settings end the process with 2.
    """
    flags = parser()
    args = flags.parse_args(argv)
    try:
        check(args)
        require('the pictures are drawn', 'matplotlib', 'sklearn')
        cfg = config.load(args)
        teacher = dict(config=args.teacher_config, checkpoint=args.teacher_checkpoint) if args.teacher_config else None
        subjects = ask(cfg, args.checkpoint, teacher, args.compare, args.compare_name, args.images, args.device)
        # Classes may be named by digits; several such words are names.
        is_count = len(args.classes) == 1 and args.classes[0].isdecimal()
        count, names = (int(args.classes[0]), None) if is_count else (0, args.classes)
        classes = shown_classes(subjects, count, names)
    except (FileNotFoundError, ValueError, ImportError, pickle.UnpicklingError) as error:
        flags.error(str(error))
    if args.tau:
        subjects.loss.tau = args.tau
    out = Path(args.out or f'work_dirs/analysis/{config.find(args.config).stem}')
    made = write_report(subjects, out, classes, args.seed, said=print)
    rows = cells(made.numbers)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *values in rows:
        print('  '.join([name.ljust(widths[0]), *map(str.rjust, values, widths[1:])]))
    print(made.page)
    return 0


def check(args: Namespace) -> None:
    """Raise ValueError for flags that make no sense together."""
    if bool(args.teacher_config) != bool(args.teacher_checkpoint):
        raise ValueError('--teacher-config and --teacher-checkpoint belong together; give both')
    if args.images is not None and args.images < 2:
        raise ValueError(
            f'--images {args.images}: at least 2 are needed, for the picture of embeddings draws distances'
        )
    if args.tau is not None and args.tau <= 0:
        raise ValueError(f'--tau {args.tau:g}: a temperature is above 0')
    if args.compare and args.compare_name in ('teacher', 'student', 'network'):
        raise ValueError(f'--compare-name {args.compare_name} is taken; give another')


if __name__ == '__main__':
    sys.exit(main())
