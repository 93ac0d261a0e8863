"""The methods of the shoot-out and the settings tried for each."""

from dataclasses import dataclass
from functools import cache, cached_property

from mmengine.config import Config

from benchmarks.digits_study.run import QUICKSTART, STEPS, Teacher
from benchmarks.roi_study.settings import LOSSES
from benchmarks.roi_study.settings import PLAIN as ALONE
from benchmarks.roi_study.settings import Setting as Studied
from benchmarks.study.found import SEARCHED
from benchmarks.study.shootout import FACTORS
from luminet_det.distillation.loss_setting import build_loss

PLAIN, CHAIN = 'plain', 'takd'
# PKD needs equal widths, so its student's neck is wider.
OF_OTHER_WIDTH = ('pkd',)


@dataclass(frozen=True)
class Assistant:
    """The detector between teacher and student, which the teacher has taught by KD, at the config's weight."""

    study, name, stock, metric = 'teachers', 'assistant', 'takd_assistant.py', 'AP'
    teacher, uneven, steps, seed = Teacher(), False, STEPS, SEARCHED

    def build(self) -> Config:
        return Config.fromfile(QUICKSTART / self.stock)


@dataclass(frozen=True)
class Setting:
    """A student of configs/quickstart with all weights of its terms times a factor.

    Args:
        method: The config's name without `_student`; 'plain': the student alone.
        factor: Factor on every term's `loss_weight`; with 0 the config's student alone.
    """

    method: str
    factor: float = 1

    uneven, metric, teacher = False, 'AP', Teacher()

    @cached_property
    def studied(self) -> Studied | None:
        """The identical setting of the RoI study, whose runs count for both."""
        if self.method == PLAIN:
            return ALONE
        if self.method not in LOSSES:
            return None
        (term,) = self._scaled().model.distill
        options = {key: value for key, value in term.items() if key not in ('tap', 'loss')}
        return Studied(self.method, options | {key: value for key, value in term.loss.items() if key != 'type'})

    @property
    def assistant(self) -> Teacher | Assistant:
        """What the student learns from."""
        return Assistant() if self.method == CHAIN else self.teacher

    @property
    def study(self) -> str:
        return self.studied.study if self.studied else 'method_shootout'

    @property
    def name(self) -> str:
        return self.studied.name if self.studied else f'{self.method}_times-{self.factor:g}'

    @property
    def stock(self) -> str:
        return f'{self.method}_student.py' if self.method in OF_OTHER_WIDTH else 'student.py'

    def build(self) -> Config:
        """The config, except for data and the teacher's weights."""
        return self.studied.build() if self.studied else self._scaled()

    def _scaled(self) -> Config:
        config = Config.fromfile(QUICKSTART / f'{self.method}_student.py')
        for term in config.model.distill:
            term.loss.loss_weight = build_loss(term.loss).loss_weight * self.factor
        return config


def methods() -> list[str]:
    """The names of all methods that configs/quickstart has a student of."""
    return [path.stem.removesuffix('_student') for path in sorted(QUICKSTART.glob('*_student.py'))]


@cache
def tries(method: str) -> tuple[Setting, ...]:
    """The settings to try for a method, from the smallest weight to the largest; the same objects each time, as each
    reads its config once."""
    return tuple(Setting(method, factor) for factor in FACTORS)


def alone(method: str) -> Setting:
    """The student of a method without a teacher."""
    return Setting(method, 0) if method in OF_OTHER_WIDTH else Setting(PLAIN)
