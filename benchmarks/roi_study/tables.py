"""The tables of docs/roi_study.md."""

from statistics import fmean

from benchmarks.digits_study.run import STEPS, Teacher
from benchmarks.digits_study.scenes import FEW
from benchmarks.roi_study.settings import (
    BASE,
    KD,
    KD_FOREGROUND,
    LOSSES,
    OF_OFFSETS,
    PLAIN,
    QUESTIONS,
    SHOWN,
    STEPS_TAKEN,
    TAUS,
    TRIED,
    Setting,
    luminet,
    tried,
)
from benchmarks.study.found import best_of, difference, gap_closed, logged, spread_of, values
from luminet_det.published.markdown import table
from luminet_det.published.spread import spread

TITLES = dict(kd='KD', dkd='DKD', lskd='LSKD', luminet='LumiNet', plain='student alone', teacher='teacher')
WORDS = dict(loss_weight='weight', rois='rows')


def question(name: str) -> str:
    """The settings of a question with their AP, their difference to LumiNet's base setting, and the gap they close."""
    settings = dict.fromkeys([BASE, *QUESTIONS[name]])
    rows = [
        [
            said(setting),
            str(len(values(setting))),
            spread_of(setting),
            difference(setting, BASE) if setting != BASE else '',
            gap_closed(setting, PLAIN) if setting != PLAIN else '',
        ]
        for setting in settings
    ]
    return table(['', 'seeds', 'AP', 'to LumiNet, weight 4, all rows', 'gap closed'], rows)


def parts() -> str:
    """From the student alone by way of KD to LumiNet, one step after the other."""
    steps = [PLAIN, KD, KD_FOREGROUND, *(luminet(parts=parts) for parts in STEPS_TAKEN), BASE]
    lines = [
        [
            said(setting),
            str(len(values(setting))),
            spread_of(setting),
            difference(setting, PLAIN) if setting != PLAIN else '',
            difference(setting, KD) if setting not in (PLAIN, KD) else '',
            gap_closed(setting, PLAIN) if setting != PLAIN else '',
        ]
        for setting in steps
    ]
    return table(['', 'seeds', 'AP', 'to the student alone', 'to KD', 'gap closed'], lines)


def offsets() -> str:
    """The part of the gradient by the logits that only moves each class's offset, over the thirds of the training."""
    thirds = [range(1, STEPS // 3 + 1), range(STEPS // 3 + 1, 2 * STEPS // 3 + 1), range(2 * STEPS // 3 + 1, STEPS + 1)]
    lines = []
    for setting, title in zip(OF_OFFSETS, (said(KD), said(KD_FOREGROUND)), strict=True):
        of_seeds = logged(setting, 'share_offset')
        cells = [spread([100 * v for of in of_seeds.values() for step, v in of.items() if step in t]) for t in thirds]
        lines.append([title, *cells])
    return table(['percent of the squared gradient', *(f'steps {t[0]} to {t[-1]}' for t in thirds)], lines)


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
        cells = [spread_of(of) if of in QUESTIONS['rows'] or values(of) else '' for of in settings]
        lines.append([TITLES[method], which, *cells])
    alone = f'Student alone: {spread_of(PLAIN)}. Teacher: {spread_of(Teacher())}.'
    return table(['', 'rows', *(f'weight {weight}' for weight in SHOWN)], lines) + f'\n\n{alone}'


def tries() -> str:
    """Of each method the AP of its twelve tries on the set that settings are chosen by, one seed."""
    lines = []
    for method in LOSSES:
        settings, chosen = iter(tried(method)), best_of(tried(method))
        for tau in TAUS:
            cells = []
            for setting in (next(settings) for weights in TRIED.values() for _ in weights):
                value = values(setting, split='tune').get(0)
                text = 'not run' if value is None else f'{value:.1f}'
                cells.append(f'**{text}**' if setting == chosen else text)
            lines.append([TITLES[method], str(tau), *cells])
    columns = [f'{rows}, weight {weight}' for rows, weights in TRIED.items() for weight in weights]
    return table(['AP to choose by', 'tau', *columns], lines)


def methods() -> str:
    """The chosen setting of each method, over all seeds, on the set that was not chosen by."""
    chosen = {method: best_of(tried(method)) for method in LOSSES}
    lines = [[TITLES['teacher'], '', spread_of(Teacher()), '', '', '']]
    lines.append([TITLES['plain'], str(len(values(PLAIN))), spread_of(PLAIN), '', '', ''])
    for method, setting in chosen.items():
        if setting is None:
            lines.append([TITLES[method], '0', 'not run', '', '', ''])
            continue
        lines.append(
            [
                said(setting),
                str(len(values(setting))),
                spread_of(setting),
                difference(setting, PLAIN),
                difference(setting, chosen['kd']) if method != 'kd' and chosen['kd'] else '',
                gap_closed(setting, PLAIN),
            ]
        )
    return table(['', 'seeds', 'AP', 'to the student alone', 'to KD', 'gap closed'], lines)


def beside_ap() -> str:
    """What the chosen settings do to small objects and to calibration."""
    settings = [Teacher(), PLAIN, *(best_of(tried(method)) for method in LOSSES)]
    columns = ('AP50', 'AP75', 'AP_small', 'AP_medium', 'D-ECE')
    lines = [
        [said(setting), *(spread_of(setting, metric) for metric in columns)]
        for setting in settings
        if setting is not None
    ]
    return table(['', *columns], lines)


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
    header = ['', 'seeds', 'AP of 7, 8, 9', 'AP of the others', '7, 8, 9 to the student alone', 'others to it']
    return table(header, lines)


def batches() -> str:
    """Each method at each number of images in a step."""
    lines = []
    for batch in (2, 4, 8, 16):
        of = [Setting(setting.method, setting.term, batch=batch) for setting in (PLAIN, KD, BASE)]
        lines.append([str(batch), *(spread_of(setting) for setting in of), difference(of[2], of[1])])
    return table(['images in a step', 'student alone', 'KD', 'LumiNet', 'LumiNet to KD'], lines)


def said(setting: Setting | Teacher) -> str:
    """A setting in words."""
    if isinstance(setting, Teacher):
        return TITLES['teacher']
    return ', '.join(
        [TITLES[setting.method], *(f'{WORDS.get(key, key)} {value}' for key, value in setting.term.items())]
    )


def _of_few(scores: dict) -> float:
    return fmean(scores['AP_of_class'][name] for name in FEW)


def _of_others(scores: dict) -> float:
    return fmean(value for name, value in scores['AP_of_class'].items() if name not in FEW)
