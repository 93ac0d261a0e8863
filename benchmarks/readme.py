"""Write the measured tables into the READMEs, so that no figure there is typed by hand.

    python -m benchmarks.readme

Each table stands between `<!-- name -->` and `<!-- /name -->` and comes from `benchmarks/results/`.
"""

import json
import re
from pathlib import Path

from luminet_det.quickstart.table import format_table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / 'benchmarks' / 'results'
READMES = [ROOT / 'README.md', ROOT / 'configs' / 'quickstart' / 'README.md']


def main() -> None:
    for path in READMES:
        path.write_text(filled(path.read_text()))


def filled(text: str) -> str:
    """The text with every marked table made anew."""
    for name, make in TABLES.items():
        marked = rf'(<!-- {name} -->\n).*?(<!-- /{name} -->)'
        text = re.sub(marked, lambda m, make=make: f'{m[1]}\n{make()}\n\n{m[2]}', text, flags=re.S)
    return text


def quickstart() -> str:
    return format_table(_result('quickstart')['runs'])


def step_cost() -> str:
    result = _result('step_cost')
    step, memory, loss, setting = (result[key] for key in ('step', 'memory', 'loss', 'setting'))
    rows = [
        ('distilling step / (plain step + teacher forward on the same RoIs)', step['distilling_over_floor']),
        ('distilling step / plain step', step['distilling_over_plain']),
        ("forwarding the student's box head twice / distilling step", step['student_head_twice_over_distilling']),
        ("running the teacher's whole loss / distilling step", step['whole_teacher_loss_over_distilling']),
        ('peak memory / (plain step + teacher weights)', memory['distilling_over_plain_and_weights']),
        (f'LumiNetLoss / KDLoss, forward and backward, {loss["rows"]}x{loss["columns"]}', loss['luminet_over_kd']),
    ]
    lines = [f'| ratio, {setting["device"]}, {setting["images"]} images of {setting["size"]} px | |', '|---|---:|']
    return '\n'.join([*lines, *(f'| {what} | {value:.2f} |' for what, value in rows)])


def digits_grid() -> str:
    return (RESULTS / 'digits_grid.md').read_text().strip()


def _result(name: str) -> dict:
    return json.loads((RESULTS / f'{name}.json').read_text())


TABLES = {'quickstart': quickstart, 'step cost': step_cost, 'digits grid': digits_grid}

if __name__ == '__main__':
    main()
