"""AP by FGFI's weight, with LumiNet, on the quickstart's digits: on raw maps and on standardised ones."""

import json

from benchmarks.natural_images import study
from luminet_det.published.markdown import table
from luminet_det.published.spread import paired_difference, spread

WEIGHT = 'model.distill.0.loss.loss_weight'
CHOSEN_BY = 0  # the seed on which the weights were chosen
SWEEPS = dict(as_they_are='raw', standardized='standardised')


def weights() -> str:
    """The two sweeps over weights in one table."""
    rows = []
    for name, title in SWEEPS.items():
        for point in _points(name):
            rows.append([title, point['options'][WEIGHT], f'{100 * point["last"]["mean"]:.1f}'])
    return table(["teacher's maps", 'weight of FGFI', 'AP'], rows)


def seeds() -> str:
    """Each at its best weight, on the seeds that were not used to choose it, and their differences by seed."""
    runs = {
        name: {
            int(seed): 100 * value
            for seed, value in _points(f'{name}_seeds')[0]['last']['by_seed'].items()
            if int(seed) != CHOSEN_BY
        }
        for name in SWEEPS
    }
    own = runs['standardized']
    head = ["teacher's maps", *(f'seed {seed}' for seed in sorted(own)), 'mean', 'standardised minus raw, by seed']
    rows = []
    for name, of_seed in runs.items():
        values = [of_seed[seed] for seed in sorted(own)]
        gain = '' if of_seed is own else paired_difference(own, of_seed)
        rows.append([SWEEPS[name], *(f'{value:.1f}' for value in values), spread(values), gain])
    return table(head, rows)


def _points(name: str) -> list[dict]:
    return json.loads((study.RESULTS / 'digits_weights' / f'{name}.json').read_text())['points']
