"""What FGFI's weight is worth beside LumiNet on the quickstart's digits, on maps as they are and standardised."""

import json

from benchmarks.natural_images import study
from luminet_det.published.markdown import table

WEIGHT = 'model.distill.0.loss.loss_weight'
SWEEPS = dict(as_they_are='as they are', standardized='standardised')


def weights() -> str:
    """The tables of the two sweeps in one."""
    rows = []
    for name, title in SWEEPS.items():
        sweep = json.loads((study.RESULTS / 'digits_weights' / f'{name}.json').read_text())
        for point in sweep['points']:
            rows.append([title, point['options'][WEIGHT], f'{100 * point["last"]["mean"]:.1f}'])
    return table(["teacher's maps", 'weight of FGFI', 'AP'], rows)
