"""Which RoIs, and which weight? The quickstart's student on a grid of terms, beside the student alone.

    python -m benchmarks.digits_grid [--seeds 3] [--losses LumiNetLoss KDLoss] [--rois all ...] [--weights 1 4 16]

Needs the teacher of `make quickstart`. A run that is done is reused, one that was cut short resumes. Results go
to `benchmarks/results/digits_grid.json` as they come, and to a table beside it.
"""

import argparse
import json
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import mean, stdev

from luminet_det.quickstart.digits import STAMP
from luminet_det.quickstart.runs import Run, finish
from tools.quickstart import CONFIGS, train

OUT = Path(__file__).parent / 'results' / 'digits_grid.json'
QUICKSTART = Path('work_dirs/quickstart')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, default=1)
    parser.add_argument('--losses', nargs='+', default=['LumiNetLoss', 'KDLoss'])
    parser.add_argument('--rois', nargs='+', default=['all', 'balanced', 'foreground'])
    parser.add_argument('--weights', nargs='+', type=float, default=[1.0, 4.0, 16.0])
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/digits_grid'))
    args = parser.parse_args()
    teacher = json.loads((QUICKSTART / 'teacher' / 'result.json').read_text())
    context = (Path('data/digits', STAMP).read_text(), teacher['fingerprint'])
    cells = [('none', '-', 0.0), *product(args.losses, args.rois, args.weights)]
    found = json.loads(OUT.read_text())['cells'] if OUT.is_file() else []
    for (loss, rois, weight), seed in product(cells, range(args.seeds)):
        result = finish(run_of(args.work_dir, loss, rois, weight, seed, context), train)
        cell = dict(loss=loss, rois=rois, loss_weight=weight, seed=seed, AP=result['AP'], AP50=result['AP50'])
        found = [old for old in found if {**old, 'AP': 0, 'AP50': 0} != {**cell, 'AP': 0, 'AP50': 0}] + [cell]
        versions = {name: version(name) for name in ('torch', 'mmdet', 'mmengine', 'luminet_det')}
        content = dict(teacher_AP=teacher['AP'], steps=result['steps'], versions=versions, cells=found)
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(content, indent=1) + '\n')
        OUT.with_suffix('.md').write_text(table(found))
        print(f'{loss} {rois} {weight:g} seed {seed}: AP {result["AP"]:.3f}', flush=True)
    print(table(found))


def run_of(work_dir: Path, loss: str, rois: str, weight: float, seed: int, context: tuple[str, ...]) -> Run:
    if loss == 'none':
        return Run(
            CONFIGS / 'student.py',
            CONFIGS / 'student.py',
            work_dir / f'none-{seed}',
            seed,
            {'log_level': 'INFO'},
            context,
        )
    options = {
        'model.distill.0.rois': rois,
        'model.distill.0.loss.type': f'luminet_det.{loss}',
        'model.distill.0.loss.loss_weight': weight,
    }
    folder = work_dir / f'{loss}-{rois}-{weight:g}-{seed}'
    return Run(CONFIGS / 'luminet_student.py', CONFIGS / 'student.py', folder, seed, options, context)


def table(cells: list[dict]) -> str:
    """AP of each cell, mean ± sample sd where there are seeds; one row per loss and RoIs, one column per weight."""
    weights = sorted({cell['loss_weight'] for cell in cells if cell['loss'] != 'none'})
    lines = ['| loss | rois | ' + ' | '.join(f'weight {w:g}' for w in weights) + ' |']
    lines.append('|---|---|' + '---|' * len(weights))
    for loss, rois in dict.fromkeys((cell['loss'], cell['rois']) for cell in cells):
        row = [
            spread([c['AP'] for c in cells if (c['loss'], c['rois'], c['loss_weight']) == (loss, rois, weight)])
            for weight in ([0.0] if loss == 'none' else weights)
        ]
        row += [''] * (len(weights) - len(row))
        lines.append(f'| {loss} | {rois} | ' + ' | '.join(row) + ' |')
    return '\n'.join(lines) + '\n'


def spread(values: list[float]) -> str:
    if not values:
        return 'not run'
    return f'{mean(values):.3f}' + (f' ± {stdev(values):.3f}' if len(values) > 1 else '')


if __name__ == '__main__':
    main()
