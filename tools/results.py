"""Collect the measured runs and linear probes into the paper's tables, published and measured side by side."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from luminet_det.published import load_probes, load_runs, make_page

RESULTS = Path(__file__).resolve().parents[1] / 'benchmarks' / 'results'
FOLDERS = ('cifar100', 'imagenet')
PROBES = 'transfer'
PAGE = 'cifar100/README.md'


def parser() -> ArgumentParser:
    """The command line."""
    made = ArgumentParser(prog='results.py', description=__doc__, allow_abbrev=False)
    made.add_argument(
        '--results',
        type=Path,
        default=RESULTS,
        help='folder of the folders cifar100 and imagenet with result files, and transfer with those of linear probes',
    )
    what = made.add_mutually_exclusive_group()
    what.add_argument('--write', action='store_true', help=f'write the page {PAGE} instead of printing it')
    what.add_argument('--check', action='store_true', help='exit with 1 if that page is not what the results give')
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Collect.

    Args:
        argv: The words after `results.py`; default: this process's own.

    Returns:
        0; 1 if `--check` finds another page. A file that is no result ends the process with 2.
    """
    flags = parser()
    args = flags.parse_args(argv)
    path = args.results / PAGE
    try:
        page = make_page(load_runs(args.results / folder for folder in FOLDERS), load_probes(args.results / PROBES))
    except ValueError as error:
        flags.error(str(error))
    if args.check:
        if path.is_file() and path.read_text() == page:
            return 0
        print(f'{path} is not what the results give; run python tools/results.py --write', file=sys.stderr)
        return 1
    if args.write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page)
        print(path)
    else:
        print(page, end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
