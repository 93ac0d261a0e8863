"""Every detector method on the quickstart's digits, as configs/quickstart has it.

    python -m benchmarks.digits_methods [--seeds 1] [--only pkd fgd ...]

Needs the teacher of `make quickstart`. A run that is done is reused, one that was cut short resumes. Results go to
`benchmarks/results/digits_methods.json` as they come, that of TAKD's assistant as well. Weights are those of the
configs, not tuned.
"""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from luminet_det.quickstart.digits import STAMP
from luminet_det.quickstart.runs import Run, finish
from tools.quickstart import CONFIGS, train

OUT = Path(__file__).parent / 'results' / 'digits_methods.json'
TEACHER = Path('work_dirs/quickstart/teacher/result.json')
# PKD takes equal widths, so its student's neck is wider, and its checkpoints are of another detector.
OF_OTHER_WIDTH = ('pkd',)
# Taught by a detector that the teacher has taught before.
ASSISTANTS = {'takd': 'takd_assistant'}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, default=1)
    parser.add_argument('--only', nargs='+', help='names of methods')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/digits_methods'))
    args = parser.parse_args()
    teacher = json.loads(TEACHER.read_text())
    context = (Path('data/digits', STAMP).read_text(), teacher['fingerprint'])
    names = [path.stem.removesuffix('_student') for path in sorted(CONFIGS.glob('*_student.py'))]
    for seed in range(args.seeds):
        for name in args.only or names:
            # The tool wants one option at least.
            options, heard = {'log_level': 'INFO'}, context
            if name in ASSISTANTS:
                between = CONFIGS / f'{ASSISTANTS[name]}.py'
                assistant = Run(between, between, args.work_dir / f'{between.stem}-{seed}', seed, options, context)
                found = finish(assistant, train)
                report(between.stem, seed, found, teacher['AP'])
                options = options | {'model.teacher.checkpoint': str(assistant.checkpoint)}
                heard = (*context, found['fingerprint'])
            config = CONFIGS / f'{name}_student.py'
            stock = config if name in OF_OTHER_WIDTH else CONFIGS / 'student.py'
            result = finish(Run(config, stock, args.work_dir / f'{name}-{seed}', seed, options, heard), train)
            report(name, seed, result, teacher['AP'])


def report(name: str, seed: int, result: dict, teacher_ap: float) -> None:
    note(name, seed, result, teacher_ap)
    print(f'{name} seed {seed}: AP {result["AP"]:.3f}', flush=True)


def note(name: str, seed: int, result: dict, teacher_ap: float) -> None:
    """Put a result into the file, in place of an older one of this method and seed."""
    runs = json.loads(OUT.read_text())['runs'] if OUT.is_file() else []
    run = dict(method=name, seed=seed, **{key: result[key] for key in ('AP', 'AP50', 'steps', 'fingerprint')})
    runs = [old for old in runs if (old['method'], old['seed']) != (name, seed)] + [run]
    versions = {package: version(package) for package in ('torch', 'mmdet', 'mmengine', 'luminet_det')}
    OUT.write_text(json.dumps(dict(teacher_AP=teacher_ap, versions=versions, runs=runs), indent=1) + '\n')


if __name__ == '__main__':
    main()
