"""Was it worth it? The student alone against the distilled one, by seed, from what their work dirs hold.

    python tools/compare.py --plain work_dirs/student_seed* --distilled work_dirs/distilled_seed*

The teacher's row and the gap need TeacherEvaluationHook in the distilled config.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> None:
    """Compare the runs.

    Args:
        argv: Command-line arguments; default: those of this process.
    """
    flags = ArgumentParser(prog='compare.py', description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    flags.add_argument(
        '--plain', nargs='+', type=Path, required=True, help='work dirs of the student alone, one per seed'
    )
    flags.add_argument('--distilled', nargs='+', type=Path, required=True, help='work dirs of the distilled student')
    flags.add_argument('--metric', help='metric to compare, higher is better (default: the mean AP, or the first)')
    flags.add_argument('--out', type=Path, metavar='FILE.md', help='also write the table to this file')
    args = flags.parse_args(argv)
    from luminet_det.comparison import compare

    try:
        text = compare(args.plain, args.distilled, args.metric)
    except ValueError as error:
        flags.error(str(error))
    print(text)
    if args.out:
        args.out.write_text(f'{text}\n')


if __name__ == '__main__':
    sys.exit(main())
