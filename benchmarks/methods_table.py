"""The tables of docs/methods.md: what each method compares, learns, costs, is published with, and has reached here."""

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks.method_cost.__main__ import PUBLISHED
from luminet_det.published import cifar100, coco, load_runs
from luminet_det.published.spread import NOT_RUN, spread

RESULTS = Path(__file__).parent / 'results'
LOGITS, FEATURES, DETECTORS = 'methods_logits.md', 'methods_features.md', 'methods_detection_features.md'


class Method(NamedTuple):
    """A row.

    Attributes:
        title: As the literature names it.
        page: Where its equations are.
        taps: Where it compares.
        choose: When to choose it.
        published: Its row in the published tables, if it is not the title.
    """

    title: str
    page: str
    taps: str
    choose: str
    published: str | None = None


# By the names of the configs, and of the rows of benchmarks/results/method_cost.json.
CLASSIFIERS = {
    'kd': Method('KD', LOGITS, '`logits`', 'First, and as what all others are measured by.'),
    'dkd': Method('DKD', LOGITS, '`logits`', 'The teacher is so sure of the target that KD says little of the rest.'),
    'luminet': Method('LumiNet', LOGITS, '`logits`', 'Batches of 64 and more; scales of logits differ.'),
    'kd_ls': Method('LSKD', LOGITS, '`logits`', 'As LumiNet, with small batches.', 'KD + LS'),
    'dkd_ls': Method('DKD, standardised', LOGITS, '`logits`', 'DKD with networks of other scales.', 'DKD + LS'),
    'dist': Method('DIST', LOGITS, '`logits`', 'The teacher is far stronger than the student.'),
    'mlld': Method('MLLD', LOGITS, '`logits`, two views', 'Two views and a long schedule are affordable.'),
    'mlld_ls': Method('MLLD, standardised', LOGITS, '`logits`, two views', 'As MLLD, with LSKD.', 'MLLD + LS'),
    'mcld': Method('MCLD (our reconstruction)', LOGITS, '`logits`', 'To try a contrast without memories.', ''),
    'dml': Method('DML', 'mutual_learning.md', '`logits`', 'There is no trained teacher.'),
    'takd': Method('TAKD', 'teacher_assistants.md', '`logits`', 'The teacher is very much larger than the student.'),
    'fitnet': Method('FitNet', FEATURES, '`features`', 'The plainest feature loss; a baseline.'),
    'at': Method('AT', FEATURES, '`features`', 'Nothing may be learned beside the student.'),
    'sp': Method('SP', FEATURES, '`features`', 'Networks of unlike kinds, and nothing may be learned.'),
    'rkd': Method('RKD', FEATURES, '`embedding`', 'Embeddings for retrieval; sizes differ.'),
    'crd': Method('CRD', FEATURES, '`embedding`', 'The embedding will be used on other data.'),
    'ofd': Method('OFD', FEATURES, '`features`', 'Teacher with norm and ReLU at the end of each stage.'),
    'reviewkd': Method('ReviewKD', FEATURES, '`features`', 'The highest published of features but FCFD; a long step.'),
    'fcfd': Method('FCFD', FEATURES, '`features`', 'Accuracy counts, the length of a step does not.'),
}
DETECTION = {
    'kd': Method('KD', LOGITS, '`roi_cls`, `dense_cls`', 'First, and as what all others are measured by.'),
    'dkd': Method('DKD', LOGITS, '`roi_cls`', 'Background and foreground are to be weighed apart.'),
    'luminet': Method('LumiNet', LOGITS, '`roi_cls`, `dense_cls`', 'Hundreds of RoIs a step.'),
    'lskd': Method('LSKD', LOGITS, '`roi_cls`', 'Few RoIs a step.', ''),
    'dist': Method('DIST', LOGITS, '`roi_cls`', 'The teacher is far stronger than the student.', ''),
    'mlld': Method('MLLD, one view', LOGITS, '`roi_cls`', 'For comparison: its second view is missing.', ''),
    'mcld': Method('MCLD (our reconstruction)', LOGITS, '`roi_cls`', 'For comparison.', ''),
    'dml': Method('DML', 'mutual_learning.md', '`roi_cls`', 'There is no trained teacher.', ''),
    'takd': Method('TAKD', 'teacher_assistants.md', '`roi_cls`', 'The teacher is very much larger than the student.'),
    'boxes': Method('box deltas', LOGITS, '`roi_reg`', 'For comparison.', ''),
    'luminet_boxes': Method('LumiNet + box deltas', LOGITS, '`roi_cls`, `roi_reg`', 'Boxes are what is wrong.', ''),
    'fitnet': Method('FitNet', DETECTORS, '`neck`, `backbone`', 'A baseline: one layer, one weight.'),
    'fgfi': Method('FGFI', DETECTORS, '`neck`', 'Most of an image is background.'),
    'cwd': Method('CWD', DETECTORS, '`neck`, `backbone`', 'Magnitudes of the networks do not compare.', ''),
    'pkd': Method('PKD', DETECTORS, '`neck`, `backbone`', 'First among feature losses: nothing to learn.', ''),
    'fgd': Method('FGD', DETECTORS, '`neck`, `backbone`', 'Small objects beside large ones.', ''),
    'mgd': Method('MGD', DETECTORS, '`neck`, `backbone`', 'As FGD, with one weight to tune.', ''),
    'reviewkd': Method('ReviewKD', DETECTORS, '`neck`', 'A small student; the best published.'),
    'reviewkd_dkd': Method('ReviewKD + DKD', DETECTORS, '`neck`, `roi_cls`', 'The highest published pair of terms.'),
    'reviewkd_luminet': Method('ReviewKD + LumiNet', DETECTORS, '`neck`, `roi_cls`', 'Maps and logits together.', ''),
    'fcfd': Method('FCFD', DETECTORS, '`neck`', 'A longer step does not matter.', ''),
}


def classifiers() -> str:
    """The table of classifiers: resnet8x4 <- resnet32x4, and what the short protocol has measured."""
    place = cifar100.PAIRS.index(('resnet8x4', 'resnet32x4'))
    published = {row.method: str(row.figures[place]) for row in cifar100.TOP1}
    runs = [run for run in load_runs([RESULTS / 'cifar100']) if run.folder == 'cifar100_short' and run.name]
    measured: dict[str, list[float]] = {}
    for run in runs:
        measured.setdefault(run.name.method, []).append(run.accuracy('last'))
    header = ['published top-1, resnet8x4 ← resnet32x4', 'measured top-1, short protocol, resnet20 ← resnet56']
    cost = _cost()['classifiers']
    cells = {
        name: [published.get(_row(method), '-'), spread(measured.get(name, []))] for name, method in CLASSIFIERS.items()
    }
    return f'{_table(CLASSIFIERS, cost, header, cells, with_published=True)}\n\n{order_of_steps(cost)}'


def detectors() -> str:
    """The table of detectors: the published R18 <- R101 on COCO, and the quickstart's digits."""
    published = {row.method: str(row.figures[0]) for row in coco.AP}
    runs = json.loads((RESULTS / 'digits_methods.json').read_text())['runs']
    measured = {name: [run['AP'] for run in runs if run['method'] == name] for name in DETECTION}
    header = ['published AP, COCO, R18 ← R101', "measured AP, the quickstart's digits"]
    cells = {
        name: [published.get(_row(method), '-'), spread(measured[name], digits=3)] for name, method in DETECTION.items()
    }
    return _table(DETECTION, _cost()['detectors'], header, cells, with_published=False)


def step_costs(of: str) -> dict[str, float]:
    """A step's time over KD's, by method, of 'classifiers' or 'detectors'."""
    return {name: found['over_kd']['median'] for name, found in _cost()[of].items()}


def order_of_steps(cost: Mapping) -> str:
    """How steps rank as published and here, and which ratio to KD lies outside what its publication allows."""
    found = {name: cost[name]['over_kd'] for name in PUBLISHED if name in cost}
    published = _ranked(PUBLISHED, lambda one, other: PUBLISHED[one] == PUBLISHED[other], '=')
    medians = {name: ratio['median'] for name, ratio in found.items()}
    ours = _ranked(medians, lambda one, other: found[other]['quartiles'][0] <= found[one]['quartiles'][1], '≈')
    slower = _titles(name for name in found if medians[name] > allowed(name)[1])
    faster = _titles(name for name in found if medians[name] < allowed(name)[0])
    return (
        f'Steps in the published order: {published}. Here: {ours} (≈: their quartiles overlap). Slower relative to KD '
        f'than published, half a millisecond either way allowed for: {slower}; faster: {faster}.'
    )


def allowed(name: str) -> tuple[float, float]:
    """The least and the largest step / KD that round to the published whole milliseconds."""
    return (PUBLISHED[name] - 0.5) / (PUBLISHED['kd'] + 0.5), (PUBLISHED[name] + 0.5) / (PUBLISHED['kd'] - 0.5)


def _ranked(cost: Mapping[str, float], alike: Callable[[str, str], bool], sign: str) -> str:
    names = sorted(cost, key=cost.get)
    signs = [sign if alike(one, other) else '<' for one, other in pairwise(names)]
    words = [CLASSIFIERS[names[0]].title]
    for name, between in zip(names[1:], signs, strict=True):
        words += [between, CLASSIFIERS[name].title]
    return ' '.join(words)


def _titles(names: Iterable[str]) -> str:
    return ', '.join(CLASSIFIERS[name].title for name in names) or 'none'


def _table(methods: Mapping, cost: dict, header: list[str], cells: dict, with_published: bool) -> str:
    columns = ['method', 'taps', 'parameters of its own', 'step / KD']
    columns += ['published step / KD'] * with_published + ['memory / KD', *header, 'choose it when']
    lines = [f'| {" | ".join(columns)} |', f'|---|---|{"---:|" * (len(columns) - 3)}---|']
    for name, method in methods.items():
        # A step with an assistant is one of KD.
        found = cost.get('kd' if name == 'takd' else name)
        row = [f'[{method.title}]({method.page})', method.taps, *_costs(found)]
        if with_published:
            row.insert(4, f'{PUBLISHED[name] / PUBLISHED["kd"]:.2f}' if name in PUBLISHED else '-')
        lines.append(f'| {" | ".join([*row, *cells[name], method.choose])} |')
    return '\n'.join(lines)


def _costs(found: dict | None) -> list[str]:
    if found is None:
        return [NOT_RUN] * 3
    low, high = found['over_kd']['quartiles']
    time = f'{found["over_kd"]["median"]:.2f} ({low:.2f} to {high:.2f})'
    own = f'{found["parameters"]:,}' + (f' and {found["remembered"]:,} kept' if found['remembered'] else '')
    return [own, time, f'{found["memory_over_kd"]:.2f}']


def _row(method: Method) -> str:
    return method.title if method.published is None else method.published


def _cost() -> dict:
    return json.loads((RESULTS / 'method_cost.json').read_text())
