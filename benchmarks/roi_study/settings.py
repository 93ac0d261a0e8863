"""The settings that the study compares, by question."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmengine.config import Config

from benchmarks.digits_study.run import QUICKSTART, STEPS, Teacher, schedule
from benchmarks.study import search
from benchmarks.study.found import SEARCHED

STUDENT = Path(__file__).parent / 'student.py'
STUDIED = 'luminet_det.StudiedLumiNetLoss'
BATCH, RATE, WARMUP = 8, 0.002, 50  # as in configs/quickstart
LONGER = 4  # times the steps of configs/quickstart
LOSSES = dict(kd='KDLoss', dkd='DKDLoss', lskd='LSKDLoss', luminet='LumiNetLoss')


@dataclass(frozen=True)
class Setting:
    """One way to train the student.

    Args:
        method: 'plain', the student alone, or a key of `LOSSES`.
        term: Options of the term and settings of its loss that differ from the method's defaults.
        fgfi: The weight of an additional FGFI term on the neck; 0: without.
        batch: Images in a step. The number of images in the run does not depend on it.
        uneven: Whether to train on the set with few examples of three classes.
        length: How many times as long to train.
        teacher_length: How many times as long its teacher trains.
        teacher_seed: The teacher's seed; not part of the name, as a block of seeds has one teacher.
    """

    method: str
    term: dict = field(default_factory=dict)
    fgfi: float = 0
    batch: int = BATCH
    uneven: bool = False
    length: int = 1
    teacher_length: int = 1
    teacher_seed: int = SEARCHED

    study, stock, metric = 'roi_study', 'student.py', 'AP'

    @property
    def teacher(self) -> Teacher:
        return Teacher(self.uneven, self.teacher_length, self.teacher_seed)

    @property
    def name(self) -> str:
        """Unique among settings, and a file name."""
        recipe = [f'fgfi-{self.fgfi:g}'] * (self.fgfi != 0)
        recipe += [f'batch-{self.batch}'] * (self.batch != BATCH) + ['uneven'] * self.uneven
        recipe += [f'length-{self.length}'] * (self.length != 1)
        recipe += [f'teacher-length-{self.teacher_length}'] * (self.teacher_length != 1)
        return '_'.join([self.method, *(f'{key}-{_shown(value)}' for key, value in sorted(self.term.items())), *recipe])

    def __hash__(self) -> int:
        return hash(self.name)

    def told(self) -> dict:
        """The term without its weight."""
        return {key: value for key, value in self.term.items() if key != 'loss_weight'}

    @property
    def distill(self) -> list[dict]:
        """The config's `distill`."""
        if self.method == 'plain':
            return []
        loss = {key: value for key, value in self.term.items() if key not in ('rois', 'warmup')}
        open_choice = loss.keys() & {'statistics', 'window', 'background', 'absent', 'detached', 'parts'}
        kind = STUDIED if open_choice else f'luminet_det.{LOSSES[self.method]}'
        options = {key: value for key, value in self.term.items() if key in ('rois', 'warmup')}
        neck = dict(tap='neck', loss=dict(type='luminet_det.FGFILoss', loss_weight=self.fgfi))
        return [neck] * (self.fgfi != 0) + [dict(tap='roi_cls', **options, loss=dict(type=kind, **loss))]

    @property
    def recipe(self) -> dict:
        """Config values of data and schedule, by dotted key."""
        share = BATCH / self.batch
        steps = round(STEPS * share * self.length)
        found = schedule(steps)
        if self.batch != BATCH:
            found |= {
                'train_dataloader.batch_size': self.batch,
                'param_scheduler.0.end': round(WARMUP * share),
                'param_scheduler.1.begin': round(WARMUP * share),
                # Adam's noise scales with the square root of the batch size.
                'optim_wrapper.optimizer.lr': RATE / share**0.5,
            }
        return found

    def build(self) -> Config:
        """The config, except for data and the teacher's weights."""
        config = Config.fromfile(STUDENT if self.distill else QUICKSTART / self.stock)
        if self.distill:
            config.model.type = 'luminet_det.StudiedDetector'
            config.model.distill = self.distill
        config.merge_from_dict(self.recipe)
        return config


def _shown(value: object) -> str:
    return f'{value:g}' if isinstance(value, float) else str(value)


def luminet(**term) -> Setting:
    return Setting('luminet', dict(tau=1, loss_weight=4) | term)


PLAIN = Setting('plain')
BASE = luminet()
KD = Setting('kd', dict(tau=1, loss_weight=4))
SOFTER = luminet(tau=2, loss_weight=16)  # LumiNet's best try
PAIR = replace(SOFTER, fgfi=0.16)  # the shoot-out's best
FOREGROUND = luminet(rois='foreground')
KD_FOREGROUND = Setting('kd', dict(tau=1, loss_weight=1, rois='foreground'))
ROWS = ('all', 'balanced', 'foreground')
WEIGHTS = (1, 4, 16, 64)
BEYOND = (0.25, 256, 1024)  # where a term has hardly any effect, and where it drowns the others
# On the foreground, which has fewer rows, smaller weights suffice.
TAUS, TRIED, STEP = (1, 2), dict(all=(1, 4, 16), foreground=(0.25, 1, 4)), 4
SHOWN = sorted({*WEIGHTS, *BEYOND, *(weight for weights in TRIED.values() for weight in weights)})


def searched(method: str) -> tuple[list[Setting], list[Setting]]:
    """A method's tries, and those that have still to run.

    The first twelve; then, as long as the best has the smallest or the largest weight of those with its temperature and
    rows, one beyond that weight.
    """
    return search.searched(first_tries(method), beyond)


def beyond(tries: Sequence[Setting], best: Setting) -> Setting | None:
    weights = [of.term['loss_weight'] for of in tries if of.told() == best.told()]
    weight = best.term['loss_weight']
    if min(weights) < weight < max(weights):
        return None
    further = weight * STEP if weight == max(weights) else weight / STEP
    return Setting(best.method, best.term | dict(loss_weight=further))


def first_tries(method: str) -> list[Setting]:
    """The twelve tries of a method: each temperature, on all RoIs and on the foreground, with three weights each.

    Weights are proportional to tau squared. KD and LSKD have the factor in the loss, and so does DKD, which has
    beta / alpha as published for detectors; LumiNet's published form has no such factor, and gets it here.
    """
    extra = dict(non_target_weight=0.25) if method == 'dkd' else {}
    found = []
    for tau in TAUS:
        scale = tau**2 if method == 'luminet' else 1
        for rows, weights in TRIED.items():
            chosen = {} if rows == 'all' else dict(rois=rows)
            found += [Setting(method, dict(tau=tau, loss_weight=scale * weight) | chosen | extra) for weight in weights]
    return found


# A step of 8 images lacks a class now and then, one of 2 images nearly half of them.
OF_TWO_IMAGES = [replace(of, batch=2) for of in (BASE, luminet(absent=False))]
# From KD to LumiNet; 'both' is LumiNet again, by autograd and so with different rounding.
STEPS_TAKEN = ('scale', 'deviation', 'centre', 'mean', 'both')
# KD and LumiNet again, by the study's loss, which logs where their gradients are.
WATCHED = (
    luminet(parts='none'),
    luminet(parts='both'),
    luminet(parts='none', rois='foreground', loss_weight=1),
    luminet(parts='both', rois='foreground'),
)
BY_A_BETTER_TEACHER = (KD_FOREGROUND, SOFTER, PAIR)

# Each question with the settings that answer it.
QUESTIONS = {
    'rows': [
        PLAIN,
        *(luminet(rois=rows, loss_weight=weight) for rows in (*ROWS[1:], 'near') for weight in WEIGHTS),
        *(luminet(loss_weight=weight) for weight in WEIGHTS),
        *(
            Setting('kd', dict(tau=1, loss_weight=weight) | rows)
            for rows in ({}, dict(rois='foreground'))
            for weight in WEIGHTS
        ),
        *(
            of
            for weight in BEYOND
            for of in (luminet(loss_weight=weight), Setting('kd', dict(tau=1, loss_weight=weight)))
        ),
        luminet(rois='foreground', loss_weight=256),
    ],
    'statistics': [
        BASE,
        luminet(rois='foreground'),
        *(luminet(statistics=which) for which in ('window', 'teacher')),
        *(luminet(statistics='window', window=steps) for steps in (2, 4)),
        *(luminet(statistics=which, rois='foreground') for which in ('window', 'teacher')),
    ],
    'background': [
        BASE,
        luminet(background=False),
        luminet(rois='foreground'),
        luminet(rois='foreground', background=False),
    ],
    'eps': [
        *(luminet(eps=eps) for eps in (1e-4, 1e-3, 1e-2, 1e-1, 1)),
        *(luminet(eps=eps, rois='foreground') for eps in (1e-3, 1e-1, 1)),
    ],
    'absent': [
        luminet(absent=False),
        luminet(absent=False, rois='foreground'),
        luminet(background=False, rois='foreground'),
        luminet(absent=False, background=False, rois='foreground'),
        *OF_TWO_IMAGES,
    ],
    'tau': [
        *(luminet(tau=tau, loss_weight=4 * tau**2) for tau in (0.5, 1, 2, 4, 8)),
        *(Setting('kd', dict(tau=tau, loss_weight=weight)) for tau in (2, 4) for weight in WEIGHTS),
    ],
    'parts': [BASE, *(luminet(parts=parts) for parts in STEPS_TAKEN), *WATCHED],
    'warmup': [luminet(warmup=steps) for steps in (100, 400)],
    'detached': [luminet(detached=True), luminet(detached=True, rois='foreground')],
    'batch': [replace(of, batch=batch) for batch in (2, 4, 16) for of in (PLAIN, BASE, KD)],
    'methods': [PLAIN, *(setting for method in LOSSES for setting in first_tries(method))],
    'length': [replace(of, length=LONGER) for of in (PLAIN, KD_FOREGROUND, BASE, SOFTER)],
    'teacher': [replace(of, length=LONGER, teacher_length=LONGER) for of in BY_A_BETTER_TEACHER],
    'few': [replace(of, uneven=True) for of in (PLAIN, BASE, KD)],
}
# The settings on which a claim of the page rests.
A_QUARTER = (luminet(loss_weight=1), luminet(tau=2, loss_weight=4))  # a quarter of the weight for each temperature
CLAIMS = [
    *(PLAIN, KD, KD_FOREGROUND, BASE, FOREGROUND, luminet(background=False)),
    *A_QUARTER,
    *(luminet(parts=parts) for parts in STEPS_TAKEN),
]
