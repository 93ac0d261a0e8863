"""The tables of docs/roi_study.md."""

from dataclasses import replace
from itertools import product
from statistics import fmean

from benchmarks.digits_study.run import STEPS, Teacher
from benchmarks.digits_study.scenes import FEW
from benchmarks.roi_study.settings import (
    BASE,
    BATCH,
    BY_A_BETTER_TEACHER,
    FOREGROUND,
    KD,
    KD_FOREGROUND,
    LONGER,
    LOSSES,
    PLAIN,
    QUESTIONS,
    SHOWN,
    SOFTER,
    STEPS_TAKEN,
    TAUS,
    WATCHED,
    Setting,
    luminet,
    searched,
)
from benchmarks.study.found import (
    SEARCHED,
    best_of,
    counted,
    difference,
    gap_closed,
    has_run,
    lead,
    logged,
    spread_of,
    teachers_of,
    values,
)
from benchmarks.study.setting import TUNE
from luminet_det.published.markdown import table
from luminet_det.published.spread import NOT_RUN, paired_difference

TITLES = dict(kd='KD', dkd='DKD', lskd='LSKD', luminet='LumiNet', plain='student alone', teacher='teacher')
WORDS = dict(loss_weight='weight', rois='rows')


def question(name: str) -> str:
    """The settings of a question with their AP, their difference to LumiNet's base setting, and the gap they close.

    Settings on the foreground are compared with LumiNet on the foreground, and that with LumiNet on all rows.
    """
    lines = []
    for setting in dict.fromkeys([BASE, *QUESTIONS[name]]):
        # With as many images per step.
        plain = replace(PLAIN, batch=setting.batch)
        base = FOREGROUND if setting.term.get('rois') == 'foreground' and setting != FOREGROUND else BASE
        base = replace(base, batch=setting.batch)
        against = difference(setting, base) if setting != base else ''
        closed = gap_closed(setting, plain) if setting != plain else ''
        lines.append([said(setting), str(len(values(setting))), spread_of(setting), against, closed])
    return table(['', 'seeds', 'AP', 'vs LumiNet, tau 1, weight 4', 'gap closed'], lines)


def parts() -> str:
    """From the student alone via KD to LumiNet, one step after the other."""
    scaled = luminet(parts='scale')
    steps = [PLAIN, KD, *(luminet(parts=parts) for parts in STEPS_TAKEN), BASE]
    lines = [
        [
            said(setting),
            str(len(values(setting))),
            spread_of(setting),
            difference(setting, PLAIN) if setting != PLAIN else '',
            difference(setting, KD) if setting not in (PLAIN, KD) else '',
            difference(setting, scaled) if setting not in (PLAIN, KD, scaled) else '',
            gap_closed(setting, PLAIN) if setting != PLAIN else '',
        ]
        for setting in steps
    ]
    return table(['', 'seeds', 'AP', 'vs student alone', 'vs KD', 'vs `scale`', 'gap closed'], lines)


def gradients() -> str:
    """On which rows the gradients with respect to the logits are."""
    columns = {
        'share_foreground_rows': 'foreground rows',
        'share_foreground': 'gradient on foreground rows',
        'share_rows': 'effective rows',
        'share_offset': 'offset',
        'share_offset_of_labels': 'offset, cross-entropy',
    }
    lines = []
    for setting, title in zip(WATCHED, (KD, BASE, KD_FOREGROUND, FOREGROUND), strict=True):
        means = [[100 * fmean(of.values()) for of in logged(setting, key).values() if of] for key in columns]
        lines.append([said(title), *(f'{fmean(of):.1f}' if of else NOT_RUN for of in means)])
    return table(['percent, mean over the training', *columns.values()], lines)


def foreground() -> str:
    """KD and LumiNet on the same rows, all and only the foreground, and by how much the lead differs."""
    lines, leads = [], []
    for kd, base in ((KD, BASE), (KD_FOREGROUND, FOREGROUND)):
        cells = [counted(kd), counted(base), difference(base, kd)]
        lines.append([kd.term.get('rois', 'all'), *cells])
        leads.append(lead(base, kd))
    lines.append(['all minus foreground', '', '', paired_difference(*leads)])
    return table(['rows', 'KD', 'LumiNet', 'LumiNet vs KD'], lines)


def rows() -> str:
    """AP by rows and weight, LumiNet and KD."""
    lines = []
    for method, which in [
        *(('luminet', rows) for rows in ('all', 'balanced', 'near', 'foreground')),
        ('kd', 'all'),
        ('kd', 'foreground'),
    ]:
        term = {} if which == 'all' else dict(rois=which)
        settings = [Setting(method, dict(tau=1, loss_weight=weight) | term) for weight in SHOWN]
        cells = [counted(of) if of in QUESTIONS['rows'] or values(of) else '' for of in settings]
        lines.append([TITLES[method], which, *cells])
    alone = f'Student alone: {counted(PLAIN)}. Teacher: {spread_of(Teacher())}.'
    return table(['', 'rows', *(f'weight {weight}' for weight in SHOWN)], lines) + f'\n\n{alone}'


def tries() -> str:
    """The AP of each method's tries on the set by which settings are chosen, one seed."""
    found = {(method, *place(of)): of for method in LOSSES for of in searched(method)[0]}
    best = {method: best_of(searched(method)[0]) for method in LOSSES}
    columns = sorted({key[2:] for key in found})
    lines = []
    for method, tau in product(LOSSES, TAUS):
        cells = []
        for column in columns:
            setting = found.get((method, tau, *column))
            if setting is None:
                cells.append('')
                continue
            text = f'{values(setting, split=TUNE)[SEARCHED]:.1f}' if has_run(setting) else NOT_RUN
            cells.append(f'**{text}**' if setting == best[method] else text)
        lines.append([TITLES[method], str(tau), *cells])
    return table(['AP on the tuning set', 'tau', *(f'{rows}, weight {weight:g}' for rows, weight in columns)], lines)


def place(setting: Setting) -> tuple[int, str, float]:
    """Temperature, rows, and the weight relative to tau squared."""
    tau, weight = setting.term['tau'], setting.term['loss_weight']
    return tau, setting.term.get('rois', 'all'), weight / tau**2 if setting.method == 'luminet' else weight


def methods() -> str:
    """The chosen setting of each method, on the set and the seeds that were not used to choose it."""
    chosen = {method: best_of(searched(method)[0]) for method in LOSSES}
    lines = [[TITLES['teacher'], '', spread_of(Teacher()), '', '', '']]
    lines.append([TITLES['plain'], str(len(values(PLAIN, fresh=True))), spread_of(PLAIN, fresh=True), '', '', ''])
    for method, setting in chosen.items():
        if setting is None:
            lines.append([TITLES[method], '0', NOT_RUN, '', '', ''])
            continue
        lines.append(
            [
                said(setting),
                str(len(values(setting, fresh=True))),
                spread_of(setting, fresh=True),
                difference(setting, PLAIN, fresh=True),
                difference(setting, chosen['kd'], fresh=True) if method != 'kd' and chosen['kd'] else '',
                gap_closed(setting, PLAIN, fresh=True),
            ]
        )
    return table(['', 'seeds', 'AP', 'vs student alone', 'vs KD', 'gap closed'], lines)


def beside_ap() -> str:
    """The effect of the chosen settings on small objects and on calibration."""
    settings = [Teacher(), PLAIN, *(best_of(searched(method)[0]) for method in LOSSES)]
    columns = ('AP50', 'AP75', 'AP_small', 'AP_medium', 'D-ECE', 'overconfidence')
    lines = [
        [said(setting), *(spread_of(setting, metric, fresh=setting != settings[0]) for metric in columns)]
        for setting in settings
        if setting is not None
    ]
    return table(['', *columns], lines)


def beside_ap_compared() -> str:
    """The chosen settings' differences to the student alone and to KD in the metrics other than AP."""
    chosen = {method: setting for method in LOSSES if (setting := best_of(searched(method)[0])) is not None}
    kd, lines = chosen.get('kd'), []
    columns = {'AP_small': (PLAIN, kd), 'AP_medium': (PLAIN,), 'D-ECE': (PLAIN,), 'overconfidence': (PLAIN, kd)}
    compared = [(metric, other) for metric, others in columns.items() for other in others if other is not None]
    for setting in chosen.values():
        cells = [difference(setting, other, of, fresh=True) if setting != other else '' for of, other in compared]
        lines.append([said(setting), *cells])
    names = {PLAIN: 'student alone', kd: 'KD'}
    return table(['', *(f'{metric} vs {names[other]}' for metric, other in compared)], lines)


def few() -> str:
    """AP of the classes with few examples and of the others, trained on the uneven set."""
    settings = [Teacher(uneven=True), *QUESTIONS['few']]
    lines = []
    for setting in settings:
        lines.append(
            [
                said(setting),
                str(len(values(setting))),
                *(spread_of(setting, of) for of in (_of_few, _of_others)),
                *(difference(setting, QUESTIONS['few'][0], of) for of in (_of_few, _of_others)),
            ]
        )
    header = ['', 'seeds', 'AP of 7, 8, 9', 'AP of the others', '7, 8, 9 vs student alone', 'others vs student alone']
    return table(header, lines)


def batches() -> str:
    """Each method at each number of images in a step."""
    lines = []
    for batch in (2, 4, 8, 16):
        of = [replace(setting, batch=batch) for setting in (PLAIN, KD, BASE)]
        lines.append([str(batch), *(counted(setting) for setting in of), difference(of[2], of[1])])
    return table(['images per step', 'student alone', 'KD', 'LumiNet', 'LumiNet vs KD'], lines)


def lengths() -> str:
    """Each setting by the length of its training."""
    lines = []
    for setting in (PLAIN, KD_FOREGROUND, BASE, SOFTER):
        longer, plain, kd = (replace(of, length=LONGER) for of in (setting, PLAIN, KD_FOREGROUND))
        cells = [counted(setting), counted(longer), *([difference(longer, plain)] if setting != PLAIN else [''])]
        lines.append([said(setting), *cells, difference(longer, kd) if setting not in (PLAIN, KD_FOREGROUND) else ''])
    steps = [f'{STEPS * length} steps' for length in (1, LONGER)]
    return table(['', *steps, f'{steps[1]}: vs student alone', f'{steps[1]}: vs KD'], lines)


def lengths_calibration() -> str:
    """How sure the longer trainings' detectors are of what they find."""
    lines, of = [], 'overconfidence'
    plain, kd = (replace(setting, length=LONGER) for setting in (PLAIN, KD_FOREGROUND))
    for setting in (PLAIN, KD_FOREGROUND, SOFTER):
        longer = replace(setting, length=LONGER)
        cells = [counted(setting, of), counted(longer, of), counted(longer, 'D-ECE')]
        cells += [difference(longer, other, of) if longer not in (plain, other) else '' for other in (plain, kd)]
        lines.append([said(setting), *cells])
    steps = [f'{of}, {STEPS * length} steps' for length in (1, LONGER)]
    longest = f'{STEPS * LONGER} steps'
    return table(['', *steps, f'D-ECE, {longest}', f'{of}, {longest}: vs student alone', 'vs KD'], lines)


def teachers() -> str:
    """The longer trainings by the length of the teacher's training."""
    lines, plain = [], replace(PLAIN, length=LONGER)
    for setting in BY_A_BETTER_TEACHER:
        usual = replace(setting, length=LONGER)
        better, kd = (replace(of, length=LONGER, teacher_length=LONGER) for of in (setting, KD_FOREGROUND))
        by_teacher = difference(better, usual) if values(usual) else ''
        to_kd = difference(better, kd) if setting != KD_FOREGROUND else ''
        cells = [counted(usual) if values(usual) else '', counted(better), by_teacher, difference(better, plain), to_kd]
        lines.append([said(setting), *cells, gap_closed(better, plain)])
    header = ['', *(f'teacher of {STEPS * length} steps' for length in (1, LONGER)), 'second minus first']
    shown = table([*header, 'vs student alone', 'vs KD', 'gap closed'], lines)
    taught = [[replace(of, length=LONGER, teacher_length=n) for of in BY_A_BETTER_TEACHER] for n in (1, LONGER)]
    scores = [teachers_of(*settings) for settings in taught]
    return f'{shown}\n\nStudent alone: {counted(plain)}. Teachers: {" and ".join(scores)}.'


def said(setting: Setting | Teacher) -> str:
    """A setting in words."""
    if isinstance(setting, Teacher):
        return TITLES['teacher']
    return ', '.join(
        [
            TITLES[setting.method],
            *(f'{WORDS.get(key, key)} {value}' for key, value in setting.term.items()),
            *([f'with FGFI at weight {setting.fgfi}'] if setting.fgfi else []),
            *([f'{setting.batch} images'] if setting.batch != BATCH else []),
        ]
    )


def _of_few(scores: dict) -> float:
    return fmean(scores['AP_of_class'][name] for name in FEW)


def _of_others(scores: dict) -> float:
    return fmean(value for name, value in scores['AP_of_class'].items() if name not in FEW)
