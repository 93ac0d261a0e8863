"""Runs the tools without a clone of the project: python -m luminet_det TOOL ..."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

TOOLS = Path(__file__).resolve().parent / '.mim' / 'tools'
OWN = ('results',)  # collects the project's own results, which are not installed


def names() -> list[str]:
    """The names that TOOL can take."""
    return sorted({path.stem for path in TOOLS.glob('*.py')} - {*OWN})


def main(argv: Sequence[str] | None = None) -> None:
    """Run a tool.

    Args:
        argv: The tool's name and its arguments; default: those of this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in names():
        sys.exit(f'usage: python -m luminet_det TOOL ..., where TOOL is one of {", ".join(names())}')
    path = str((TOOLS / f'{words[0]}.py').resolve())
    sys.argv = [path, *words[1:]]
    runpy.run_path(path, run_name='__main__')


if __name__ == '__main__':
    main()
