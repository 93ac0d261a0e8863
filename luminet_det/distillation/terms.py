"""Term: one line of a config's `distill` list: a tap, a loss, an optional schedule."""

import inspect
import re
from dataclasses import dataclass, field
from difflib import get_close_matches

from torch import Tensor, nn

from luminet_det.distillation.settings import check_keys
from luminet_det.registry import MODELS

# What a tap can give, as messages say it, and a loss that compares it.
GIVES = {
    'logits': ('class logits (K, C)', "loss=dict(type='luminet_det.LumiNetLoss')"),
    'deltas': ('box deltas (K, 4)', "loss=dict(type='mmdet.L1Loss')"),
    'embeddings': ('embeddings (N, D)', "loss=dict(type='mmdet.MSELoss')"),
    'maps': ('feature maps (N, C, H, W)', "loss=dict(type='luminet_det.PKDLoss')"),
}


@dataclass(frozen=True)
class Tap:
    """A named place where student and teacher give comparable tensors.

    Attributes:
        gives: What the tensors are: one of `GIVES`.
        options: Keys that a term may add, each with its choices, the default first. The type `int` among them
            stands for any whole number above 0.
    """

    gives: str
    options: dict[str, tuple] = field(default_factory=dict)

    def check(self, name: str, option: str, value) -> None:
        """Raise ValueError unless `value` is a choice of `option`; `name` is the tap's."""
        choices = self.options[option]
        whole = int in choices and type(value) is int and value > 0
        if not whole and (value not in choices or isinstance(value, type)):
            listed = ', '.join('a number above 0' if choice is int else str(choice) for choice in choices)
            raise ValueError(f"{option}={value!r} of tap '{name}' is unknown; choose one of {listed}.")


class Term:
    """A loss on a tap, with a linear ramp and an end.

    Args:
        tap: Where student and teacher are compared, e.g. `'roi_cls'`.
        loss: Config of the loss, e.g. `dict(type='luminet_det.LumiNetLoss', tau=1.0, loss_weight=4.0)`.
        warmup: Length of the linear ramp from 0 to the full weight: iterations (`500`) or `'5 epochs'`. In
            epochs the weight is constant within an epoch, as in LumiNet's code: min(epoch / warmup, 1), the
            first epoch being 1.
        stop: When the term ends, in the same units. Afterwards the teacher is not run for it.
        **options: What the tap offers, e.g. `rois='foreground'`.

    Raises:
        ValueError: A schedule that is neither iterations nor epochs.
    """

    def __init__(self, tap: str, loss: dict, warmup: int | str = 0, stop: int | str | None = None, **options) -> None:
        self.tap = tap
        self.loss = _build_loss(loss)
        self.warmup = _length('warmup', warmup)
        self.stop = None if stop is None else _length('stop', stop)
        self.options = options
        self.takes_target = 'target' in list(inspect.signature(self.loss.forward).parameters)[2:]

    @classmethod
    def from_setting(cls, setting: dict, taps: dict[str, Tap]) -> 'Term':
        """Read one entry of `distill`.

        Args:
            setting: `dict(tap=..., loss=..., warmup=..., stop=..., ...)`.
            taps: The student's taps by name.

        Raises:
            ValueError: An unknown key, tap or choice, where the message lists the known ones; or a loss that
                compares something else than the tap gives.
        """
        if not isinstance(setting, dict):
            raise ValueError(f'distill holds {setting!r}; each term is dict(tap=..., loss=dict(type=...)).')
        for key in ('tap', 'loss'):
            if key not in setting:
                raise ValueError(f"A distill term lacks '{key}'; write dict(tap='{next(iter(taps))}', loss=...).")
        name = setting['tap']
        if name not in taps:
            raise ValueError(f'distill has no tap {name!r}; known taps: {", ".join(taps)}.')
        tap = taps[name]
        check_keys(f"The distill term of tap '{name}'", setting, ('tap', 'loss', 'warmup', 'stop', *tap.options))
        options = {option: setting.get(option, choices[0]) for option, choices in tap.options.items()}
        for option, value in options.items():
            tap.check(name, option, value)
        term = cls(**{**options, **setting})
        compares = getattr(term.loss, 'compares', 'logits' if term.takes_target else tap.gives)
        if compares != tap.gives:
            gives, loss = GIVES[tap.gives]
            raise ValueError(
                f"{type(term.loss).__name__} compares {GIVES[compares][0]}; the tap '{name}' gives {gives}. "
                f'Use a loss for these, e.g. {loss}.'
            )
        return term

    @property
    def name(self) -> str:
        """Name of the loss in the log: `LumiNetLoss` is `luminet`."""
        # mmengine adds up every entry whose name contains "loss", and the diagnostics are named after this.
        return type(self.loss).__name__.lower().replace('loss', '')

    @property
    def by_epoch(self) -> bool:
        """Whether its schedule counts epochs."""
        return self.warmup[1] == 'epochs' or bool(self.stop and self.stop[1] == 'epochs')

    def weight(self, iteration: int, epoch: int) -> float:
        """Weight of the term, 0 to 1, at a 0-based iteration and epoch."""
        now = {'iters': iteration, 'epochs': epoch}
        if self.loss_weight == 0 or (self.stop and now[self.stop[1]] >= self.stop[0]):
            return 0.0
        length, unit = self.warmup
        return min((now[unit] + 1) / length, 1.0) if length else 1.0

    @property
    def loss_weight(self) -> float:
        return getattr(self.loss, 'loss_weight', 1.0)

    def __call__(
        self, student: Tensor | tuple[Tensor, ...], teacher: Tensor | tuple[Tensor, ...], target: Tensor | None = None
    ) -> Tensor:
        """The loss on what one tap gives, without the schedule's weight: rows, or the sum over levels of maps."""
        if isinstance(student, tuple):
            return sum(self.loss(*level) for level in zip(student, teacher, strict=True))
        # A collective in the loss needs every process, also one that has no rows.
        if len(student) == 0 and not getattr(self.loss, 'sync', False):
            return student.sum() * 0
        return self.loss(student, teacher, target=target) if self.takes_target else self.loss(student, teacher)

    def __repr__(self) -> str:
        options = ''.join(f' {key}={value}' for key, value in self.options.items())
        schedule = f' warmup={self.warmup[0]} {self.warmup[1]}' if self.warmup[0] else ''
        schedule += f' stop={self.stop[0]} {self.stop[1]}' if self.stop else ''
        return f'{self.tap}{options} {self.loss}{schedule}'


def _build_loss(setting: dict):
    if not isinstance(setting, dict) or 'type' not in setting:
        raise ValueError(f"loss={setting!r} of a distill term is no dict(type='luminet_det.LumiNetLoss', ...).")
    kind = setting['type']
    try:
        loss_class = MODELS.get(kind) if isinstance(kind, str) else kind
    except KeyError:
        loss_class = None
    if loss_class is None or (isinstance(kind, str) and '.' not in kind and kind in MODELS.module_dict):
        known = [f'luminet_det.{name}' for name in MODELS.module_dict if name.endswith('Loss')]
        near = get_close_matches(f'luminet_det.{kind.rpartition(".")[2]}', known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ''
        raise ValueError(f'There is no loss {kind!r}.{hint} Known: {", ".join(known)}, and mmdet.L1Loss and its like.')
    parameters = inspect.signature(loss_class.__init__).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        check_keys(kind, [k for k in setting if k != 'type'], [k for k in parameters if k != 'self'])
    loss = MODELS.build(setting)
    if not isinstance(loss, nn.Module) or any(True for _ in loss.parameters()):
        raise ValueError(
            f'{kind} cannot be the loss of a distill term: it must be a torch.nn.Module without parameters of its '
            'own, since nothing would train them.'
        )
    return loss


def _length(name: str, setting: int | str) -> tuple[int, str]:
    """`500` and `'500 iters'` are iterations, `'5 epochs'` epochs."""
    match = re.fullmatch(r'(\d+)(?:\s*(iters|epochs))?', str(setting).strip())
    if match is None:
        raise ValueError(f"{name}={setting!r} is no length; write iterations ({name}=500) or '5 epochs'.")
    return int(match[1]), match[2] or 'iters'
