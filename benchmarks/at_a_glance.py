"""README's first table: AP of students and teachers on each set of images, over the seeds that all students have."""

from collections.abc import Mapping
from statistics import fmean

from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.natural_images import study, table
from benchmarks.study.found import mean, values
from luminet_det.published import markdown

ALONE, KD, LUMINET = study.PLAIN, study.KD, 'luminet'
# FGFI alone and with LumiNet
RAW, STANDARDISED = ('fgfi', 'fgfi_luminet'), ('fgfi_standardized', 'fgfi_standardized_luminet')
PHOTOGRAPHS = 'docs/natural_images.md'


def at_a_glance() -> str:
    """Means, from 0 to 100."""
    head = ['AP', 'seeds', 'student alone', 'KD', 'LumiNet', 'FGFI', 'FGFI + LumiNet', 'teacher']
    return markdown.table(head, [_digits(), *_photographs()])


def _digits() -> list[str]:
    best = {name: DETECTORS.best(name) for name in (KD, LUMINET, *RAW)}
    students = {name: values(setting, fresh=True) for name, setting in best.items()}
    students[ALONE] = values(DETECTORS.alone(KD), fresh=True)
    title = '[handwritten digits](#which-terms), 750 steps from scratch'
    return _row(title, students, mean(DETECTORS.alone(KD).teacher), RAW)


def _photographs() -> list[list[str]]:
    recipe, rows = study.RECIPES['finetune'], []
    titles = {
        '': f'[photographs]({PHOTOGRAPHS}), 4 epochs from ImageNet weights',
        'second-teacher': 'photographs, second teacher; FGFI on standardised maps',
    }
    found = table.runs(recipe)
    for series, title in titles.items():
        runs = found[recipe.epochs, series]
        aps = {method: {seed: table.ap(run) for seed, run in of_seed.items()} for method, of_seed in runs.items()}
        (teacher,) = aps.pop(study.TEACHER).values()
        rows.append(_row(title, aps, teacher, STANDARDISED))
    return rows


def _row(title: str, students: Mapping[str, Mapping[int, float]], teacher: float, fgfi: tuple[str, str]) -> list[str]:
    """The means over the seeds that the student alone and LumiNet share; '-' for what lacks one of these."""
    seeds = students[ALONE].keys() & students[LUMINET].keys()

    def cell(name: str) -> str:
        found = students.get(name, {})
        return f'{fmean(found[seed] for seed in seeds):.1f}' if seeds <= found.keys() else '-'

    return [title, str(len(seeds)), *map(cell, (ALONE, KD, LUMINET, *fgfi)), f'{teacher:.1f}']
