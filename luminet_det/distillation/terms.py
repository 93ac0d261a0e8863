"""Term: one entry of a config's `distill` list: a tap, a loss and an optional schedule."""

import inspect
import re
from typing import NamedTuple

from torch import Tensor

from luminet_det.distillation.loss_setting import build_loss
from luminet_det.distillation.settings import check_keys
from luminet_det.distillation.taps import GIVES, NEEDS, Tap

Given = Tensor | tuple[Tensor, ...]
# Losses of mmdet and torch that would silently take a teacher's outputs for labels or boxes.
TARGETS = {
    **dict.fromkeys(
        (
            'CrossEntropyLoss', 'FocalLoss', 'QualityFocalLoss', 'VarifocalLoss', 'GHMC', 'SeesawLoss', 'EQLV2Loss',
            'DistributionFocalLoss', 'BCEWithLogitsLoss', 'NLLLoss',
        ),
        'labels',
    ),
    **dict.fromkeys(('IoULoss', 'GIoULoss', 'DIoULoss', 'CIoULoss', 'EIoULoss', 'SIoULoss', 'BoundedIoULoss'), 'boxes'),
}  # fmt: skip


class Length(NamedTuple):
    """A count of 'iters' or 'epochs'."""

    count: int
    unit: str

    @classmethod
    def of(cls, name: str, setting: int | str) -> 'Length':
        """`500` and `'500 iters'` are iterations, `'5 epochs'` epochs; any other setting raises ValueError."""
        match = re.fullmatch(r'(\d+)(?:\s*(iters|epochs))?', str(setting).strip())
        if match is None:
            raise ValueError(f"{name}={setting!r} is not a length; write iterations ({name}=500) or '5 epochs'.")
        return cls(int(match[1]), match[2] or 'iters')

    def __str__(self) -> str:
        return f'{self.count} {self.unit}'


class Term:
    """A loss on a tap, with a linear ramp and an end.

    Args:
        tap: Where student and teacher are compared, e.g. `'roi_cls'`.
        loss: Config of the loss, e.g. `dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=16.0)`.
        warmup: Length of the linear ramp from 0 to the full weight: iterations (`500`) or `'5 epochs'`. In
            epochs the weight is constant within an epoch, as in LumiNet's code: min(epoch / warmup, 1), the
            first epoch being 1.
        stop: When the term ends, in the same units. Afterwards the teacher is not run for it.
        **options: Options of the tap, e.g. `rois='foreground'`.

    Attributes:
        needs: Additional inputs of the loss, by their names in `taps.NEEDS`.
        takes_levels: Whether the loss takes all levels of a feature tap at once, rather than one by one.
        takes_views: Whether the loss takes all views of the images at once.
        bridges: Whether the loss accepts maps or embeddings of different shapes.
        learns: Whether the loss has parameters or buffers that training changes.

    Raises:
        ValueError: The schedule is neither in iterations nor in epochs, or its ramp is longer than the term.
    """

    def __init__(self, tap: str, loss: dict, warmup: int | str = 0, stop: int | str | None = None, **options) -> None:
        self.tap = tap
        self.loss = build_loss(loss)
        self.warmup = Length.of('warmup', warmup)
        self.stop = None if stop is None else Length.of('stop', stop)
        if self.stop and self.warmup.unit == self.stop.unit and self.warmup.count > self.stop.count > 0:
            raise ValueError(
                f"warmup={warmup!r} of the term on tap '{tap}' is longer than the term, which ends at stop={stop!r}, "
                'so it would never reach its full weight. Make warmup shorter or stop later.'
            )
        self.options = options
        self.needs: tuple[str, ...] = tuple(getattr(self.loss, 'needs', ()))
        if 'target' in list(inspect.signature(self.loss.forward).parameters)[2:] and 'target' not in self.needs:
            self.needs = ('target', *self.needs)
        self.takes_levels, self.takes_views, self.bridges = (
            getattr(self.loss, name, False) for name in ('takes_levels', 'takes_views', 'bridges')
        )

    @classmethod
    def from_setting(cls, setting: dict, taps: dict[str, Tap]) -> 'Term':
        """Read one entry of `distill`.

        Args:
            setting: `dict(tap=..., loss=..., warmup=..., stop=..., ...)`.
            taps: The student's taps by name.

        Raises:
            ValueError: A key, tap or choice is unknown (the message lists the known ones), or the loss compares
                something other than what the tap gives, or needs an input that the tap does not offer.
        """
        if not isinstance(setting, dict):
            raise ValueError(f'distill contains {setting!r}; each term is dict(tap=..., loss=dict(type=...)).')
        if named := [key for key, value in setting.items() if isinstance(value, dict) and 'tap' in value]:
            raise ValueError(
                f'distill is a list of terms without names: write [dict(tap=...)], not {named[0]}=dict(...).'
            )
        for key in ('tap', 'loss'):
            if key not in setting:
                raise ValueError(f"A distill term lacks '{key}'; write dict(tap='{next(iter(taps))}', loss=...).")
        name = setting['tap']
        if not isinstance(name, str):
            raise ValueError(
                f'tap={name!r} is not the name of one tap; write one term for each tap. Known taps: {", ".join(taps)}.'
            )
        if name not in taps:
            raise ValueError(f'distill has no tap {name!r}; known taps: {", ".join(taps)}.')
        tap = taps[name]
        check_keys(f"The distill term of tap '{name}'", setting, ('tap', 'loss', 'warmup', 'stop', *tap.options))
        options = {option: setting.get(option, choices[0]) for option, choices in tap.options.items()}
        for option, value in options.items():
            tap.check(name, option, value)
        term = cls(**{**options, **setting})
        term.require(name, taps)
        return term

    def require(self, name: str, taps: dict[str, Tap]) -> None:
        """Raise ValueError unless the tap of this name gives everything that the loss takes."""
        tap = taps[name]
        loss = type(self.loss).__name__
        compares = getattr(self.loss, 'compares', 'logits' if 'target' in self.needs else tap.gives)
        if not hasattr(self.loss, 'compares') and (wants := TARGETS.get(loss)):
            raise ValueError(
                f"{loss} takes {wants} as its target, but the tap '{name}' gives it the teacher's output: "
                f'{GIVES[tap.gives][0]}. Use a loss for these, e.g. {GIVES[tap.gives][1]}.'
            )
        if compares != tap.gives:
            fits = [other for other, its in taps.items() if its.gives == compares]
            gives, fitting = GIVES[tap.gives]
            raise ValueError(
                f"{loss} compares {GIVES[compares][0]}; the tap '{name}' gives {gives}. "
                f'Use a loss for these, e.g. {fitting}.' + (f" Or keep it and write tap='{fits[0]}'." if fits else '')
            )
        if tap.softmax and getattr(self.loss, 'use_sigmoid', False):
            raise ValueError(
                f'{loss} with use_sigmoid=True treats each class as an independent yes-or-no decision, but the classes '
                f"of the tap '{name}' exclude each other. Remove use_sigmoid=True."
            )
        for option, wanted in getattr(self.loss, 'needs_options', {}).items():
            if self.options.get(option, wanted) != wanted:
                raise ValueError(f"{loss} needs {option}={wanted!r} in its term on the tap '{name}'.")
        if unknown := [need for need in self.needs if need not in NEEDS]:
            raise ValueError(f'{loss}.needs names {unknown[0]!r}; a loss can need {", ".join(NEEDS)}.')
        if missing := [need for need in self.needs if need not in tap.offers]:
            sibling = f' The related loss is {self.loss.elsewhere}.' if hasattr(self.loss, 'elsewhere') else ''
            raise ValueError(
                f"{loss} needs {NEEDS[missing[0]]}; the tap '{name}' of this model does not. Use another loss on this "
                f'tap, e.g. {GIVES[tap.gives][1]}.{sibling}'
            )
        if self.takes_views and not tap.views:
            raise ValueError(
                f"{loss} compares several views of each image; the tap '{name}' gives one. Write views=1 in the loss "
                'to use only the part of it that needs a single view.'
            )

    @property
    def name(self) -> str:
        """Name of the loss in the log: `LumiNetLoss` is `luminet`."""
        # mmengine adds up every entry whose name contains "loss", and the diagnostics are named after this.
        return type(self.loss).__name__.lower().replace('loss', '')

    @property
    def by_epoch(self) -> bool:
        """Whether its schedule, or a schedule inside its loss, counts epochs."""
        own = getattr(self.loss, 'by_epoch', False)
        return own or self.warmup.unit == 'epochs' or bool(self.stop and self.stop.unit == 'epochs')

    def weight(self, iteration: int, epoch: int) -> float:
        """Weight of the term, 0 to 1, at a 0-based iteration and epoch."""
        now = {'iters': iteration, 'epochs': epoch}
        if self.loss_weight == 0 or (self.stop and now[self.stop.unit] >= self.stop.count):
            return 0.0
        length, unit = self.warmup
        return min((now[unit] + 1) / length, 1.0) if length else 1.0

    @property
    def loss_weight(self) -> float:
        return getattr(self.loss, 'loss_weight', 1.0)

    @property
    def learns(self) -> bool:
        state = (*self.loss.parameters(), *self.loss.buffers())
        return hasattr(self.loss, 'adapt') or bool(state)

    def __call__(self, student: Given, teacher: Given, **given) -> Tensor:
        """The loss on what one tap gives, without the schedule's weight.

        Args:
            student: Rows, or a tuple: the levels of a feature tap, over which the loss is summed unless it takes all
                levels at once, or the views if the loss takes views.
            teacher: Like `student`.
            **given: The tap's additional inputs, by their names in `taps.NEEDS`; the loss gets those that it needs.
        """
        needs = {need: given[need] for need in self.needs}
        if isinstance(student, tuple) and not (self.takes_levels or self.takes_views):
            return sum(self._value(*level, needs) for level in zip(student, teacher, strict=True))
        # A collective in the loss needs every process, even one without rows; so do gradients of learned layers.
        if len(student) == 0 and not self.learns and not getattr(self.loss, 'sync', False):
            return student.sum() * 0
        return self._value(student, teacher, needs)

    def _value(self, student: Given, teacher: Given, needs: dict) -> Tensor:
        value = self.loss(student, teacher, **needs)
        if value.dim():
            raise ValueError(
                f"{type(self.loss).__name__} on tap '{self.tap}' gives {tuple(value.shape)} values, not a scalar; "
                "write reduction='mean' in the loss."
            )
        return value

    def __repr__(self) -> str:
        options = ''.join(f' {key}={value}' for key, value in self.options.items())
        schedule = f' warmup={self.warmup}' if self.warmup.count else ''
        schedule += f' stop={self.stop}' if self.stop else ''
        # Not `repr(self.loss)`, which lists its layers line by line.
        loss = f'{type(self.loss).__name__}({self.loss.extra_repr()})'
        return f'{self.tap}{options} {loss}{schedule}'
