"""The study's results as Markdown, a table for each pair of detectors and each length of training."""

import json
from collections.abc import Mapping
from statistics import mean

from benchmarks.natural_images import study
from benchmarks.natural_images.study import RECIPES, Recipe
from luminet_det.published.markdown import table
from luminet_det.published.spread import NOT_RUN, gap_closed, paired_difference, spread

TITLES = dict(
    teacher='teacher, {}',
    plain='{} alone',
    kd='KD',
    kd_all_rois='KD, all RoIs',
    dkd='DKD',
    luminet='LumiNet',
    reviewkd='ReviewKD',
    reviewkd_luminet='ReviewKD + LumiNet',
    fgfi_luminet='FGFI + LumiNet',
    fgfi_standardized='standardised FGFI',
    fgfi_standardized_luminet='standardised FGFI + LumiNet',
)


def finetuned() -> str:
    """Of the detectors with ImageNet's weights."""
    return natural_images(RECIPES['finetune'])


def from_scratch() -> str:
    """Of the detectors from random weights."""
    return natural_images(RECIPES['scratch'])


def natural_images(recipe: Recipe) -> str:
    """Means over seeds after the last epoch, and by seed the difference to the student alone."""
    if not (lengths := runs(recipe)):
        return f'Nothing has been trained yet. To train everything, repeat `{recipe.command}` until it finishes.'
    parts = [_table(recipe, *which, lengths[which]) for which in sorted(lengths)]
    missing = [
        _command(recipe, epochs)
        for (epochs, series), found in lengths.items()
        if not series and not found.keys() >= TITLES.keys()
    ]
    parts += [f'To run what is missing, repeat `{command}` until it finishes.' for command in missing]
    return '\n\n'.join(parts)


def runs(recipe: Recipe) -> dict[tuple[int, str], dict[str, dict[int, dict]]]:
    """The contents of the result files by epochs and series, then by method, then by seed."""
    found = {}
    for path in sorted(recipe.results.rglob('*.json')):
        run = json.loads(path.read_text())
        series = '' if path.parent == recipe.results else path.parent.name
        found.setdefault((run['epochs'], series), {}).setdefault(run['method'], {})[run['seed']] = run
    for (epochs, _), of_length in found.items():
        # The student alone has heard no teacher.
        options = [run.get('options') for of_seed in of_length.values() for run in of_seed.values()]
        alone = found.get((epochs, ''), {}).get(study.PLAIN, {})
        if alone := {seed: run for seed, run in alone.items() if run.get('options') in options}:
            of_length.setdefault(study.PLAIN, alone)
    return found


def ap(run: dict) -> float:
    """After the last epoch, in points of 100."""
    return 100 * run['metrics']['last']['coco/bbox_mAP']


def _table(recipe: Recipe, epochs: int, series: str, found: Mapping[str, Mapping[int, dict]]) -> str:
    teacher_title, student_title = recipe.titles
    head = [
        f'{epochs} epochs' + (f', {series.replace("-", " ")}' if series else ''),
        'AP',
        'AP50',
        'AP75',
        'AP, difficult boxes ignored',
    ]
    head += [f'AP vs {student_title} alone, by seed', 'vs KD, by seed', 'gap closed']
    rows = []
    for method, title in TITLES.items():
        of_seed = found.get(method, {})
        if series and not of_seed:
            continue
        last = [run['metrics']['last'] for run in of_seed.values()]
        cells = [_percent(one[f'coco/bbox_mAP{which}'] for one in last) for which in ('', '_50', '_75')]
        cells.append(_percent(run['without_difficult']['AP'] for run in of_seed.values()))
        taught = method not in (study.TEACHER, study.PLAIN)
        plain, kd, teacher = (found.get(other, {}) for other in (study.PLAIN, study.KD, study.TEACHER))
        cells.append(_gain(of_seed, plain) if taught else '')
        cells.append(_gain(of_seed, kd) if taught and method != study.KD else '')
        cells.append(_gap(of_seed, plain, teacher) if taught else '')
        rows.append([title.format(teacher_title if method == study.TEACHER else student_title), *cells])
    return table(head, rows)


def _percent(values) -> str:
    return spread([100 * value for value in values])


def _gap(ours: Mapping[int, dict], alone: Mapping[int, dict], teacher: Mapping[int, dict]) -> str:
    """Of the seeds that both students have."""
    seeds = ours.keys() & alone.keys()
    if not seeds or not teacher:
        return NOT_RUN
    own, base = (mean(ap(runs[seed]) for seed in seeds) for runs in (ours, alone))
    part = gap_closed(mean(map(ap, teacher.values())), base, own)
    return '-' if part is None else f'{part:.0%}'


def _gain(ours: Mapping[int, dict], alone: Mapping[int, dict]) -> str:
    if not ours:
        return NOT_RUN
    return paired_difference(*({seed: ap(run) for seed, run in runs.items()} for runs in (ours, alone)))


def _command(recipe: Recipe, epochs: int) -> str:
    return recipe.command if epochs == recipe.epochs else f'{recipe.command} --epochs {epochs}'
