"""Write the measured tables into the READMEs, so that no figure there is typed by hand.

    python -m benchmarks.readme

Each table stands between `<!-- name -->` and `<!-- /name -->` and comes from `benchmarks/results/`.
"""

import json
import re
from functools import partial, reduce
from pathlib import Path

from benchmarks import background_rows, methods_table
from benchmarks.at_a_glance import at_a_glance
from benchmarks.classifier_shootout.tables import CLASSIFIERS
from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.natural_images.table import finetuned, from_scratch
from benchmarks.natural_images.weights import seeds, weights
from benchmarks.replication import tables as replication
from benchmarks.roi_study import tables as roi_study
from luminet_det.published import load_runs
from luminet_det.published.spread import paired_difference, spread
from luminet_det.quickstart.table import format_table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / 'benchmarks' / 'results'
READMES = [
    ROOT / 'README.md',
    ROOT / 'configs' / 'quickstart' / 'README.md',
    ROOT / 'configs' / 'digits' / 'README.md',
    ROOT / 'docs' / 'training_modes.md',
    ROOT / 'docs' / 'classifiers.md',
    ROOT / 'docs' / 'methods.md',
    ROOT / 'docs' / 'roi_study.md',
    ROOT / 'docs' / 'your_own_dataset.md',
    ROOT / 'docs' / 'method_shootout.md',
    ROOT / 'configs' / 'cifar100_short' / 'README.md',
    ROOT / 'configs' / 'voc07_small' / 'README.md',
    ROOT / 'configs' / 'voc07_small_lite' / 'README.md',
    ROOT / 'docs' / 'natural_images.md',
]
STUDENTS = dict(
    faster='Faster R-CNN',
    mask='Mask R-CNN',
    cascade='Cascade R-CNN',
    retinanet='RetinaNet',
    stock_retinanet="mmdet's stock RetinaNet, R18 ← R50, 2 images of 256 px",
)
IN_SHORT = ('kd', 'dkd', 'lskd', 'luminet', 'fgfi', 'fgfi_luminet')  # README's: those with five seeds
OTHER_WAYS = dict(
    student_head_twice="forwarding the student's box head twice", whole_teacher_loss="running the teacher's whole loss"
)

CLASSIFIER_ROWS = {
    'default': 'the config unchanged',
    'contiguous': '`channels_last=False`',
    'loader processes': '`device_resident=False`, two loader processes',
    'norms kept': '`teacher=dict(..., fuse_conv_bn=False)`',
    'teacher compiled': '`teacher=dict(..., compile=True)`',
    'teacher half': "`teacher=dict(..., dtype='bf16')`",
    'amp': '`--amp`',
    'compile': '`compile=True`',
    'compile, teacher half': "`compile=True` and `teacher=dict(..., dtype='bf16')`",
    'compile, amp': '`compile=True` and `--amp`',
    'captured': "`compile=dict(mode='reduce-overhead')`",
    'captured, amp': "`compile=dict(mode='reduce-overhead')` and `--amp`",
    'captured, amp, contiguous': "`compile=dict(mode='reduce-overhead')`, `--amp` and `channels_last=False`",
}

# The machine of each file.
MODES = {
    'step_cost': 'a CPU with bf16 instructions',
    'step_cost_no_bf16': 'a CPU without bf16 instructions',
}
# The machine here too; a file from a GPU names it itself.
SPEED = {
    'classification_speed_threads2': 'a CPU without bf16 instructions, both cores for torch',
    'classification_speed': 'a CPU without bf16 instructions, one thread',
    'classification_speed_bf16': 'a CPU with bf16 instructions, one thread, norms not folded',
    'classification_speed_cuda': None,
}

METHODS = dict(plain='ResNet-20 alone', kd='KD', dkd='DKD', luminet='LumiNet')


def main() -> None:
    for path in READMES:
        path.write_text(filled(path.read_text()))


def filled(text: str) -> str:
    """The text with every marked table written again."""
    for name, make in TABLES.items():
        marked = rf'(<!-- {name} -->\n).*?(<!-- /{name} -->)'
        text = re.sub(marked, lambda m, make=make: f'{m[1]}\n{make()}\n\n{m[2]}', text, flags=re.S)
    return text


def quickstart() -> str:
    return format_table(_result('quickstart')['runs'])


def step_cost() -> str:
    result = _result('step_cost')
    threads, setting, memory = result['threads'], result['setting'], result['memory']
    columns = [
        *(f'/ floor, {number} thread{"s" if number != "1" else ""}' for number in threads),
        '/ floor, teacher at once',
        '/ plain step',
        'peak memory',
    ]
    first = next(iter(threads.values()))
    lines = [
        f'| distilling step, {setting["device"]}, {setting["images"]} images of {setting["size"]} px | '
        + ' | '.join(columns)
        + ' |',
        f'|---|{"---:|" * len(columns)}',
    ]
    for name, title in STUDENTS.items():
        cells = [
            *(_spread(found['students'][name]['over_floor']) for found in threads.values()),
            *(_spread(first['students'][name][key]) for key in ('over_floor_at_once', 'over_plain')),
            f'{memory[name]["distilling_over_plain_and_weights"]:.2f}',
        ]
        lines.append(f'| {title} | {" | ".join(cells)} |')
    rows = [
        (f'Faster R-CNN: {way} / distilling step', [_spread(f['other_ways'][key]) for f in threads.values()])
        for key, way in OTHER_WAYS.items()
    ]
    title = f'LumiNetLoss / KDLoss, forward and backward, {first["loss"]["rows"]}x{first["loss"]["columns"]}'
    rows.append((title, [_spread(found['loss']['luminet_over_kd']) for found in threads.values()]))
    return '\n'.join(lines) + '\n\n' + _table('other ratios', threads, rows)


def modes() -> str:
    found = [_result(name)['threads']['1']['modes'] for name in MODES]
    names = dict.fromkeys(name for modes in reversed(found) for name in modes)
    lines = [
        f'| time relative to the same step without it, 1 thread | {" | ".join(MODES.values())} | peak memory |',
        f'|---|{"---:|" * (len(MODES) + 1)}',
    ]
    for name in names:
        memory = next(modes[name]['memory'] for modes in found if name in modes)
        times = [_spread(modes[name]['time']) if name in modes else '-' for modes in found]
        lines.append(f'| {" | ".join([name, *times, f"{memory:.2f}"])} |')
    return '\n'.join(lines)


def dense_grid() -> str:
    return (RESULTS / 'dense_grid.md').read_text().strip()


def classification_speed() -> str:
    found = {name: _result(name) for name in SPEED if (RESULTS / f'{name}.json').is_file()}
    results = list(found.values())
    machines = [SPEED[name] or f'{of["hardware"]}, {" ← ".join(of["pair"].split("-"))}' for name, of in found.items()]

    def ratios(*keys: str) -> list[dict]:
        return [reduce(lambda found, key: found.get(key, {}), keys, result) for result in results]

    def lines(title: str, what: str, rows: dict[str, list[dict]]) -> list[str]:
        heads = [title, f'{what}: {machines[0]}', *machines[1:]]
        cells = [[name, *(_spread(ratio) if ratio else '-' for ratio in found)] for name, found in rows.items()]
        measured = [f'| {" | ".join(row)} |' for row in cells if set(row[1:]) != {'-'}]
        return [f'| {" | ".join(heads)} |', f'|---|{"---:|" * len(results)}', *measured]

    ways = {title: ratios('epochs', name, 'over_plain_loop') for name, title in CLASSIFIER_ROWS.items()}
    steps = {
        'LumiNet / KD': ratios('step', 'luminet_over_kd'),
        "LumiNet / (plain step + teacher's forward)": ratios('step', 'luminet_over_student_and_teacher'),
        "the teacher's forward / without folded norms": ratios('step', 'fused_over_kept_norms'),
        "the Runner's step / a bare step": ratios('runner', 'over_step'),
    }
    speed = lines('a LumiNet epoch', 'images per second / the plain loop', ways)
    return '\n'.join([*speed, '', *lines('a step', 'ratio', steps)])


def cifar100_short() -> str:
    runs = [run for run in load_runs([RESULTS / 'cifar100']) if run.folder == 'cifar100_short' and run.name]
    last = {}
    for run in runs:
        last.setdefault((run.name.student, run.name.method), {})[run['seed']] = run.accuracy('last')
    alone = last['resnet20', 'plain']
    lines = ['| top-1 after the last epoch | mean ± sd | vs student alone, by seed | vs KD, by seed |']
    lines += ['|---|---:|---:|---:|', f'| teacher, ResNet-56 | {spread([*last["resnet56", "plain"].values()])} | | |']
    for method, title in METHODS.items():
        found = last['resnet20', method]
        to_alone = paired_difference(found, alone) if method != 'plain' else ''
        to_kd = paired_difference(found, last['resnet20', 'kd']) if method not in ('plain', 'kd') else ''
        lines.append(f'| {title} | {spread([*found.values()])} | {to_alone} | {to_kd} |')
    return '\n'.join(lines)


def _table(title: str, threads: dict, rows: list[tuple[str, list[str]]], *more: str) -> str:
    columns = [*(f'{number} thread{"s" if number != "1" else ""}' for number in threads), *more]
    lines = [f'| {" | ".join([title, *columns])} |', f'|---|{"---:|" * len(columns)}']
    return '\n'.join([*lines, *(f'| {" | ".join([name, *cells])} |' for name, cells in rows)])


def _spread(measured: dict) -> str:
    low, high = measured['quartiles']
    return f'{measured["median"]:.2f} ({low:.2f} to {high:.2f})'


def _result(name: str) -> dict:
    return json.loads((RESULTS / f'{name}.json').read_text())


TABLES = {
    'at a glance': at_a_glance,
    'quickstart': quickstart,
    'step cost': step_cost,
    'modes': modes,
    'classification speed': classification_speed,
    'cifar100 short': cifar100_short,
    'methods of classifiers': methods_table.classifiers,
    'methods of detectors': methods_table.detectors,
    'dense grid': dense_grid,
    'photographs, finetuned': finetuned,
    'photographs, from scratch': from_scratch,
    'fgfi weights': weights,
    'fgfi seeds': seeds,
    'roi study tries': roi_study.tries,
    'roi study methods': roi_study.methods,
    'background rows': background_rows.by_rows,
    'replication logits': replication.of_logits,
    'replication': replication.of_all,
    'roi study beside ap': roi_study.beside_ap,
    'roi study beside ap compared': roi_study.beside_ap_compared,
    'roi study rows': roi_study.rows,
    'roi study batches': roi_study.batches,
    'roi study lengths': roi_study.lengths,
    'roi study lengths calibration': roi_study.lengths_calibration,
    'roi study teachers': roi_study.teachers,
    'roi study few': roi_study.few,
    **{
        f'roi study {name}': partial(roi_study.question, name)
        for name in ('statistics', 'detached', 'background', 'absent', 'eps', 'tau', 'warmup')
    },
    'roi study parts': roi_study.parts,
    'roi study gradients': roi_study.gradients,
    'roi study foreground': roi_study.foreground,
    'shootout': DETECTORS.results,
    'shootout search': DETECTORS.search,
    'shootout in short': partial(DETECTORS.results, *IN_SHORT, without=('weight factor', 'vs LumiNet')),
    'classifier shootout': CLASSIFIERS.results,
    'classifier shootout search': CLASSIFIERS.search,
}

if __name__ == '__main__':
    main()
