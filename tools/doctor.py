"""Check everything that training a config needs; report OK, WARN or FAIL for each part, and the line to change."""

import contextlib
import io
import json
import sys
import warnings
from argparse import ArgumentParser
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Examine a config.

    Args:
        argv: Command-line arguments; default: those of this process.

    Returns:
        0 if nothing failed, 1 otherwise. Wrong arguments end the process with 2.
    """
    output = sys.stdout
    try:
        # Loggers keep the stream they were made with, and some packages print.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            from luminet_det import config, doctor
    except ImportError as error:
        # `import luminet_det` failed, so there is no package to write the report.
        findings = [dict(check='versions', level='FAIL', found=str(error), change='See above.')]
        as_json = '--json' in (sys.argv[1:] if argv is None else argv)
        print(json.dumps(dict(healthy=False, findings=findings)) if as_json else f'FAIL  versions: {error}')
        return 1
    flags = ArgumentParser(prog='doctor.py', description=__doc__)
    config.add_arguments(flags, runs=False)
    config.add_training_arguments(flags)
    flags.add_argument('checkpoint', nargs='?', help='weights that must fit the student, every one of them')
    flags.add_argument('--json', action='store_true', help='print the findings as JSON, and nothing else')
    args = flags.parse_args(argv)

    def tell(finding: doctor.Finding) -> None:
        if not args.json:
            print(finding, file=output, flush=True)

    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            report = doctor.examine(args, tell)
    except (FileNotFoundError, ValueError) as error:
        flags.error(str(error))
    if args.json:
        print(json.dumps(dict(config=args.config, checkpoint=args.checkpoint, **report.as_dict()), indent=1))
    else:
        failed = sum(finding.level == doctor.FAIL for finding in report.findings)
        print(f'\n{failed} of {len(report.findings)} findings FAIL' if failed else '\nNothing fails.')
    return 0 if report.healthy else 1


if __name__ == '__main__':
    sys.exit(main())
