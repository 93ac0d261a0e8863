"""Every loss of the package as a term of each task, for the tests of whole training steps."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from mmengine.logging import MessageHub

from luminet_det import losses
from luminet_det.registry import MODELS

LOSSES = [name for name in losses.__all__ if name.endswith('Loss')]
# Settings with which a tap may accept a loss that it refuses with its defaults.
VARIANTS = ({}, dict(use_sigmoid=True), dict(views=1))


@dataclass(frozen=True, eq=False)
class Method:
    """A loss on a tap.

    Attributes:
        loss: Name of its class, with its scope if it is not from this package.
        tap: Name of the student's tap.
        settings: Settings of the loss. The weights are such that 30 steps of the thin networks show its effect.
        options: Options of the term.
        never_zero: Why the loss is not 0 for a student that equals its teacher; empty if it is.
    """

    loss: str
    tap: str
    settings: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    never_zero: str = ''

    @property
    def term(self) -> dict:
        """One entry of `distill`."""
        return dict(self.options, tap=self.tap, loss=dict(self.settings, type=self.type))

    @property
    def type(self) -> str:
        """The loss's `type` in a config."""
        return self.loss if '.' in self.loss else f'luminet_det.{self.loss}'

    @property
    def name(self) -> str:
        """The loss's name in the log."""
        return self.kind.__name__.lower().removesuffix('loss')

    @property
    def kind(self) -> type:
        """The class of the loss."""
        return MODELS.get(self.type)

    @property
    def bridges(self) -> bool:
        """Whether the teacher may be wider than the student."""
        return self.tap in ('logits', 'roi_cls', 'roi_reg', 'dense_cls') or getattr(self.kind, 'bridges', False)

    @property
    def learns(self) -> bool:
        """Whether the loss builds learned layers."""
        return hasattr(self.kind, 'adapt')

    def __str__(self) -> str:
        return f'{self.name}-{self.tap}'


CONTRAST = 'a contrast also pushes away from the others'
ADAPTOR = 'its adaptor does not begin as the identity'
ERASED = 'its generator has to fill what is erased'

# The published weights of MGD and FGD are for sums over maps a thousand times as large as those here.
CLASSIFIER = [
    Method('KDLoss', 'logits', dict(tau=4.0)),
    Method('DKDLoss', 'logits', dict(tau=4.0, non_target_weight=2.0)),
    Method('LSKDLoss', 'logits'),
    Method('LumiNetLoss', 'logits', dict(tau=4.0, loss_weight=16.0)),
    Method('DISTLoss', 'logits'),
    Method('MCLDLoss', 'logits', never_zero=CONTRAST),
    Method('MLLDLoss', 'logits'),
    Method('FitNetLoss', 'features', options=dict(stages=[2]), never_zero=ADAPTOR),
    Method('ATLoss', 'features', options=dict(stages=[1, 2, 3])),
    Method('OFDLoss', 'features', options=dict(stages=[-3, -2, -1], relu='before'), never_zero=ADAPTOR),
    Method('ReviewKDLoss', 'features', options=dict(relu='after-before', pooled=True), never_zero=ADAPTOR),
    Method('FCFDLoss', 'features', dict(feature_warmup=0), never_zero=ADAPTOR),
    Method('CWDLoss', 'features'),
    Method('PKDLoss', 'features'),
    Method(
        'MGDLoss',
        'features',
        dict(mask='channels', masked=0.15, loss_weight=1e-2),
        dict(stages=[-1]),
        never_zero=ERASED,
    ),
    Method('SPLoss', 'features', options=dict(stages=[-1])),
    Method('RKDLoss', 'embedding'),
    Method(
        'CRDLoss',
        'embedding',
        dict(num_samples=64, num_negatives=16, dim=16, loss_weight=0.04),
        never_zero=CONTRAST,
    ),
]

OF_ROWS = [
    Method('KDLoss', 'roi_cls'),
    Method('DKDLoss', 'roi_cls'),
    Method('LSKDLoss', 'roi_cls'),
    Method('LumiNetLoss', 'roi_cls'),
    Method('DISTLoss', 'roi_cls'),
    Method('MCLDLoss', 'roi_cls', never_zero=CONTRAST),
    Method('MLLDLoss', 'roi_cls', dict(views=1, loss_weight=0.05)),
]

# Imitation of box deltas.
OF_BOXES = [Method('mmdet.L1Loss', 'roi_reg')]

OF_PRIORS = [
    Method('KDLoss', 'dense_cls', dict(use_sigmoid=True, loss_weight=200.0)),
    Method('LumiNetLoss', 'dense_cls', dict(use_sigmoid=True, loss_weight=4.0)),
]

OF_LEVELS = [
    Method(loss, tap, settings, never_zero=reason)
    for tap in ('neck', 'backbone')
    for loss, settings, reason in (
        ('FitNetLoss', dict(regressor='conv', loss_weight=1.0), ADAPTOR),
        ('ATLoss', {}, ''),
        ('ReviewKDLoss', {}, ADAPTOR),
        ('CWDLoss', {}, ''),
        ('PKDLoss', {}, ''),
        ('SPLoss', {}, ''),
        (
            'FGDLoss',
            dict(foreground_weight=1e-2, background_weight=5e-3, attention_weight=1e-4, relation_weight=1e-4),
            '',
        ),
        ('MGDLoss', dict(loss_weight=5e-4), ERASED),
    )
]

OF_ANCHORS = [Method('FGFILoss', 'neck', dict(loss_weight=0.1), never_zero=ADAPTOR)]
OF_HEADS = [Method('FCFDDetLoss', 'neck', never_zero=ADAPTOR)]

TWO_STAGE = [*OF_ROWS, *OF_BOXES, *OF_LEVELS, *OF_ANCHORS, *OF_HEADS]
SINGLE_STAGE = [*OF_PRIORS, *OF_LEVELS, *OF_ANCHORS]


def left_out(methods: Sequence[Method], taps: Iterable[str], accept: Callable[[dict], object]) -> list[str]:
    """The losses that a tap accepts although `methods` has no entry for them on that tap.

    Args:
        methods: The table of a task.
        taps: Names of the student's taps.
        accept: Raises ValueError on an entry of `distill` that the student refuses.
    """
    known, missing = {(method.loss, method.tap) for method in methods}, []
    for tap, loss in product(taps, LOSSES):
        if (loss, tap) not in known and any(_accepted(accept, tap, loss, settings) for settings in VARIANTS):
            missing.append(f'{loss} on {tap}')
    return missing


def _accepted(accept: Callable[[dict], object], tap: str, loss: str, settings: dict) -> bool:
    try:
        accept(Method(loss, tap, settings).term)
    except ValueError:
        return False
    return True


def hub(name: str, **info) -> MessageHub:
    """The message hub of a Runner that trains, with these infos; tests/conftest.py removes it after the test."""
    found = MessageHub.get_instance(name)
    for key, value in dict(info, loop_stage='train').items():
        found.update_info(key, value, resumed=False)
    return found
