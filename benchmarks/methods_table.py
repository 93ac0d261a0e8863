"""The tables of docs/methods.md: what each method compares, learns and costs, and its results, published and ours."""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from benchmarks.classifier_shootout.tables import CLASSIFIERS as SHOOTOUT
from benchmarks.method_cost.__main__ import PUBLISHED
from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.methods import CLASSIFIERS, DETECTION, RESULTS, Method, costs
from benchmarks.study.shootout import said
from luminet_det.published import cifar100, coco, load_runs
from luminet_det.published.spread import NOT_RUN, spread


def classifiers() -> str:
    """The table of classifiers: resnet8x4 <- resnet32x4, and the measurements of short protocol and shoot-out."""
    place = cifar100.PAIRS.index(('resnet8x4', 'resnet32x4'))
    published = {row.method: str(row.figures[place]) for row in cifar100.TOP1}
    runs = [run for run in load_runs([RESULTS / 'cifar100']) if run.folder == 'cifar100_short' and run.name]
    measured: dict[str, list[float]] = {}
    for run in runs:
        measured.setdefault(run.name.method, []).append(run.accuracy('last'))
    header = ['published top-1, resnet8x4 ← resnet32x4', 'measured top-1, short protocol, resnet20 ← resnet56']
    header.append('measured top-1, shoot-out, resnet8 ← resnet20')
    cost = costs('classifiers')
    cells = {
        name: [published.get(_row(method), '-'), spread(measured.get(name, [])), SHOOTOUT.score(name)]
        for name, method in CLASSIFIERS.items()
    }
    return f'{_table(CLASSIFIERS, cost, header, cells, with_published=True)}\n\n{order_of_steps(cost)}'


def detectors() -> str:
    """The table of detectors: the published R18 <- R101 on COCO, and the shoot-out on the quickstart's digits."""
    published = {row.method: str(row.figures[0]) for row in coco.AP}
    header = ['published AP, COCO, R18 ← R101', f'measured AP, quickstart digits, {said(DETECTORS.seeds())}']
    cells = {name: [published.get(_row(method), '-'), DETECTORS.score(name)] for name, method in DETECTION.items()}
    return _table(DETECTION, costs('detectors'), header, cells, with_published=False)


def order_of_steps(cost: Mapping) -> str:
    """The order of step times as published and here, and which ratios to KD differ from the published ones."""
    found = {name: cost[name]['over_kd'] for name in PUBLISHED if name in cost}
    published = _ranked(PUBLISHED, lambda one, other: PUBLISHED[one] == PUBLISHED[other], '=')
    medians = {name: ratio['median'] for name, ratio in found.items()}
    ours = _ranked(medians, lambda one, other: found[other]['quartiles'][0] <= found[one]['quartiles'][1], '≈')
    slower = _titles(name for name in found if medians[name] > allowed(name)[1])
    faster = _titles(name for name in found if medians[name] < allowed(name)[0])
    return (
        f'Published order of step times: {published}. Here: {ours} (≈: quartiles overlap). Slower relative to KD '
        f'than published, allowing for half a millisecond either way: {slower}. Faster: {faster}.'
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
    columns = ['method', 'taps', 'additional parameters', 'step / KD']
    columns += ['published step / KD'] * with_published + ['memory / KD', *header, 'when to choose it']
    lines = [f'| {" | ".join(columns)} |', f'|---|---|{"---:|" * (len(columns) - 3)}---|']
    for name, method in methods.items():
        row = [f'[{method.title}]({method.page})', method.taps, *_costs(cost.get(name))]
        if with_published:
            row.insert(4, f'{PUBLISHED[name] / PUBLISHED["kd"]:.2f}' if name in PUBLISHED else '-')
        lines.append(f'| {" | ".join([*row, *cells[name], method.choose])} |')
    return '\n'.join(lines)


def _costs(found: dict | None) -> list[str]:
    if found is None:
        return [NOT_RUN] * 3
    low, high = found['over_kd']['quartiles']
    time = f'{found["over_kd"]["median"]:.2f} ({low:.2f} to {high:.2f})'
    own = f'{found["parameters"]:,}' + (f' and {found["remembered"]:,} stored' if found['remembered'] else '')
    return [own, time, f'{found["memory_over_kd"]:.2f}']


def _row(method: Method) -> str:
    return method.title if method.published is None else method.published
