"""Print a config as it is after its bases and changes are merged; the output is a config itself."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from luminet_det import config


def parser() -> ArgumentParser:
    """The command line."""
    made = ArgumentParser(prog='browse_config.py', description=__doc__)
    config.add_arguments(made, runs=False)
    made.add_argument('--save-path', help='write it to this file too: .py, .json or .yml')
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Print the config.

    Args:
        argv: Command-line arguments; default: those of this process.
    """
    flags = parser()
    args = flags.parse_args(argv)
    if args.save_path and Path(args.save_path).suffix not in config.SUFFIXES:
        flags.error(f'--save-path {args.save_path}: the name must end in {", ".join(config.SUFFIXES)}')
    try:
        cfg = config.load(args)
    except (FileNotFoundError, ValueError) as error:
        flags.error(str(error))
    print(cfg.pretty_text)
    if args.save_path:
        Path(args.save_path).parent.mkdir(parents=True, exist_ok=True)
        cfg.dump(args.save_path)


if __name__ == '__main__':
    main()
