"""Write what `benchmarks.scale` has measured and derived into `docs/scale.md`.

python -m benchmarks.scale_tables
"""

import json
import re
from pathlib import Path

from benchmarks.scale import AXES, RESULT

PAGE = Path(__file__).parents[1] / 'docs' / 'scale.md'

# From the manufacturers' data sheets: dense TF32, which torch uses for convolutions in float32.
TERAFLOPS = {'A100': 156, 'H200': 494}
UTILISATIONS = (0.1, 0.2, 0.4)
COCO_IMAGES = 180_000 * 8


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text()))


def filled(text: str) -> str:
    """The text with every marked table written again."""
    result = json.loads(RESULT.read_text())
    for name, make in TABLES.items():
        marked = rf'(<!-- {name} -->\n).*?(<!-- /{name} -->)'
        text = re.sub(marked, lambda m, make=make: f'{m[1]}\n{make(result)}\n\n{m[2]}', text, flags=re.S)
    return text


def axes(result: dict) -> str:
    names = dict(images='images per step', rois='RoIs per image')
    rows = [
        (
            f'{names[axis]}: {point[axis]}',
            point['distilling_over_base'],
            point['distilling_over_plain'],
            point['peak_over_base'],
        )
        for axis in AXES
        for point in result['axes'][axis]
    ]
    return _table(('', 'step / base', 'distilling / plain', 'peak memory / base'), rows)


def classes(result: dict) -> str:
    rows = [
        (
            f'{point["classes"]:,}',
            f'{point["matrix_bytes"] / 2**20:.1f} MiB',
            point['step_over_base'],
            f'{100 * point["loss_over_step"]:.1f}%',
            point['loss_peak_over_matrix'],
        )
        for point in result['classes']
    ]
    return _table(
        (
            'classes',
            'rows x classes',
            'step / 80 classes',
            'LumiNetLoss / step',
            'LumiNetLoss peak memory / (rows x classes)',
        ),
        rows,
    )


def traffic(result: dict) -> str:
    rows = [
        (f'{point["classes"]:,}', f'{point["gradient_bytes"]:,}', f'{point["sync_bytes"]:,}')
        for point in result['traffic']
    ]
    return _table(('classes', 'gradients, bytes', 'sync=True, bytes'), rows)


def small_batches(result: dict) -> str:
    rows = [
        (point['rows'], f'{100 * point["deviation_error"]:.0f}%', point['cosine']) for point in result['small_batches']
    ]
    return _table(('rows', 'error of a standard deviation', 'cosine between the gradient and that of 4,096 rows'), rows)


def flops(result: dict) -> str:
    coco = result['coco']
    plain = coco['student_forward'] + coco['student_backward']
    rows = [
        ('student, forward', f'{coco["student_forward"] / 1e9:.0f}'),
        ('student, backward', f'{coco["student_backward"] / 1e9:.0f}'),
        ('teacher, forward', f'{coco["teacher_forward"] / 1e9:.0f}'),
        ('distilling / plain', f'{(plain + coco["teacher_forward"]) / plain:.2f}'),
    ]
    return _table(('GFLOP per image', ''), rows)


def cost(result: dict) -> str:
    total = COCO_IMAGES * sum(
        result['coco'][part] for part in ('student_forward', 'student_backward', 'teacher_forward')
    )
    rows = [
        (gpu, peak, *(f'{total / (peak * 1e12 * part) / 3600:.0f}' for part in UTILISATIONS))
        for gpu, peak in TERAFLOPS.items()
    ]
    return _table(('GPU', 'peak, TFLOP/s', *(f'hours at {100 * part:.0f}% of peak' for part in UTILISATIONS)), rows)


def weights(result: dict) -> str:
    coco = result['coco']
    rows = []
    for name in ('student', 'teacher'):
        number = coco[f'{name}_parameters']
        rows.append((name, f'{number / 1e6:.1f} M', f'{4 * number / 2**20:.0f} MiB', f'{2 * number / 2**20:.0f} MiB'))
    return _table(('', 'parameters', 'float32', 'bf16'), rows)


def _table(head: tuple, rows: list[tuple]) -> str:
    def cell(value: object) -> str:
        return f'{value:.2f}' if isinstance(value, float) else str(value)

    lines = [head, ('---', *('---:' for _ in head[1:])), *rows]
    return '\n'.join(f'| {" | ".join(map(cell, line))} |' for line in lines)


TABLES = {
    'axes': axes,
    'classes': classes,
    'traffic': traffic,
    'small batches': small_batches,
    'flops': flops,
    'cost': cost,
    'weights': weights,
}

if __name__ == '__main__':
    main()
