"""Which rows of a dense head, which weight, which warm-up? The RetinaNet student of configs/digits on a grid of terms.

    python -m benchmarks.dense_grid [--seeds 3] [--terms LumiNetLoss:all:1:500:1e-5 KDLoss:100:1:0:- ...]

A term is loss, rows, weight, warm-up in iterations, and LumiNet's eps.

Needs the digits of `make quickstart` and the teacher, `python tools/train.py configs/digits/retinanet_teacher.py
--seed 0`. Finished runs are reused, interrupted ones resume. Results go to `benchmarks/results/dense_grid.json` as they
come, and to a table beside it.
"""

import argparse
import json
from importlib.metadata import version
from itertools import product
from pathlib import Path

from luminet_det import run_log
from luminet_det.published.spread import spread
from luminet_det.quickstart.digits import STAMP
from luminet_det.quickstart.runs import Run, finish
from tools.quickstart import train

OUT = Path(__file__).parent / 'results' / 'dense_grid.json'
CONFIGS = Path(__file__).parents[1] / 'configs' / 'digits'
TERMS = [
    'LumiNetLoss:all:0.1:0:1e-5',
    'LumiNetLoss:all:4:0:1e-5',
    'LumiNetLoss:100:0.1:0:1e-5',
    'LumiNetLoss:all:1:500:1e-5',
    'LumiNetLoss:all:1:0:1',
    'LumiNetLoss:all:4:0:1',
    'LumiNetLoss:100:1:0:1',
    'LumiNetLoss:foreground:1:0:1',
    'KDLoss:100:1:0:-',
]
TEACHER = Path('work_dirs/retinanet_teacher')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, default=1)
    parser.add_argument('--terms', nargs='+', default=TERMS)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/dense_grid'))
    args = parser.parse_args()
    teacher = teacher_ap()
    context = (Path('data/digits', STAMP).read_text(), str(teacher))
    found = json.loads(OUT.read_text())['cells'] if OUT.is_file() else []
    for seed, term in product(range(args.seeds), ['none', *args.terms]):
        run = run_of(args.work_dir, term, seed, context)
        try:
            result = finish(run, train)
        except RuntimeError:
            # mmdet logs no score where nothing is detected.
            if not run.checkpoint.is_file():
                raise
            result = dict(AP=0.0, AP50=0.0)
        found = [cell for cell in found if (cell['term'], cell['seed']) != (term, seed)]
        found.append(dict(term=term, seed=seed, AP=result['AP'], AP50=result['AP50']))
        versions = {name: version(name) for name in ('torch', 'mmdet', 'mmengine', 'luminet_det')}
        steps = run.settings.train_cfg.max_iters
        content = dict(teacher_AP=teacher, steps=steps, versions=versions, cells=found)
        OUT.write_text(json.dumps(content, indent=1) + '\n')
        OUT.with_suffix('.md').write_text(table(found))
        print(f'{term} seed {seed}: AP {result["AP"]:.3f}', flush=True)
    print(table(found))


def teacher_ap() -> float:
    """The teacher's AP after its last step, as its log has it."""
    return [entry['coco/bbox_mAP'] for entry in run_log.entries(TEACHER) if 'coco/bbox_mAP' in entry][-1]


def run_of(work_dir: Path, term: str, seed: int, context: tuple[str, ...]) -> Run:
    stock, folder = CONFIGS / 'retinanet_student.py', work_dir / f'{term.replace(":", "-")}-{seed}'
    if term == 'none':
        return Run(stock, stock, folder, seed, {'log_level': 'INFO'}, context)
    loss, rows, weight, warmup, eps = term.split(':')
    options = {
        'model.distill.0.rows': int(rows) if rows.isdecimal() else rows,
        'model.distill.0.loss.type': f'luminet_det.{loss}',
        'model.distill.0.loss.loss_weight': float(weight),
        'model.distill.0.warmup': int(warmup),
    }
    if eps != '-':
        options['model.distill.0.loss.eps'] = float(eps)
    return Run(CONFIGS / 'luminet_retinanet_student.py', stock, folder, seed, options, context)


def table(cells: list[dict]) -> str:
    """AP of each term, mean ± sample sd where there are seeds."""
    lines = ['| loss | rows | weight | warm-up | eps | AP |', '|---|---|---|---|---|---|']
    for term in dict.fromkeys(cell['term'] for cell in cells):
        settings = ['none', '-', '-', '-', '-'] if term == 'none' else term.split(':')
        lines.append(f'| {" | ".join(settings)} | {spread([c["AP"] for c in cells if c["term"] == term], digits=3)} |')
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    main()
