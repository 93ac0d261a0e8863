"""Make every table and plot of the READMEs and docs from the result files in benchmarks/results.

Without a flag, print the page of the classification part, with published and measured results side by side.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from luminet_det.published import load_probes, load_runs, make_page

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'benchmarks' / 'results'
FOLDERS = ('cifar100', 'imagenet')
PROBES = 'transfer'
PAGE = 'cifar100/README.md'


def parser() -> ArgumentParser:
    """The command line."""
    made = ArgumentParser(prog='results.py', description=__doc__.splitlines()[0], allow_abbrev=False)
    made.add_argument(
        '--results',
        type=Path,
        default=RESULTS,
        help='folder with result files in cifar100/ and imagenet/, and those of linear probes in transfer/',
    )
    what = made.add_mutually_exclusive_group()
    what.add_argument(
        '--write',
        action='store_true',
        help=f"write the page {PAGE} instead of printing it; of the project's own results also the tables and plots of "
        'all READMEs and docs',
    )
    what.add_argument('--check', action='store_true', help='exit with 1 if any of these is not up to date')
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Print, write or check the tables and plots.

    Args:
        argv: Command-line arguments; default: those of this process.

    Returns:
        0; 1 if `--check` finds something out of date. A file that is not a result ends the process with 2.
    """
    flags = parser()
    args = flags.parse_args(argv)
    path = args.results / PAGE
    try:
        page = make_page(load_runs(args.results / folder for folder in FOLDERS), load_probes(args.results / PROBES))
    except ValueError as error:
        flags.error(str(error))
    pages = {path: page}
    drawn = None
    if args.results.resolve() == RESULTS:
        # The benchmarks are not part of the installed package.
        sys.path.insert(0, str(ROOT))
        from benchmarks import plots, readme, scale_tables

        pages |= {readme_path: readme.filled(readme_path.read_text()) for readme_path in readme.READMES}
        pages[scale_tables.PAGE] = scale_tables.filled(scale_tables.PAGE.read_text())
        drawn = plots
    if args.check:
        stale = [path for path, text in pages.items() if not path.is_file() or path.read_text() != text]
        stale += drawn.stale() if drawn else []
        for path in stale:
            print(f'{path} is not up to date with the results; run python tools/results.py --write', file=sys.stderr)
        return 1 if stale else 0
    if args.write:
        path.parent.mkdir(parents=True, exist_ok=True)
        for path, text in pages.items():
            path.write_text(text)
            print(path)
        if drawn:
            print(*drawn.draw(), sep='\n')
    else:
        print(page, end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
