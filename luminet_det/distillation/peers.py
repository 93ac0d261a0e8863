"""Peer: a teacher that learns from its student at the same time (deep mutual learning)."""

from collections.abc import Callable, Sequence
from copy import copy, deepcopy

import torch
from torch import Tensor, nn

from luminet_det.distillation.settings import check_keys
from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.teacher_config import apart, build_model, resolve
from luminet_det.distillation.terms import Given, Term


class Peer(Teacher):
    """A network that trains together with the student, from scratch or from a checkpoint.

    Each network minimises its own losses and, for every term, the mean of that term against the others (Zhang et al.,
    "Deep Mutual Learning", CVPR 2018, arXiv 1706.00384, Eqs. 7 and 8, with `KDLoss(tau=1)`):
    ``L_i = L_own(i) + 1 / (K - 1) * sum_(j != i) KL(p_j || p_i)``. As in the paper, no gradient flows into the other
    networks. The paper gives each network its own optimizer; here one optimizer has a state for each parameter. For SGD
    and Adam that is equivalent, except that gradient clipping takes the norm over all networks. The peers' parameters
    are called `peers.0.*`, `peers.1.*` and so on, so `paramwise_cfg=dict(custom_keys={'peers.0': dict(lr_mult=0.1)})`
    sets another learning rate for one of them.

    Args:
        config: As for `Teacher`.
        checkpoint: Weights to start from. Without them, the model's own initialisation is used, with random numbers
            that differ from the student's.
    """

    trainable = True

    def __init__(self, config: str | dict, checkpoint: str | None = None) -> None:
        super().__init__(config, checkpoint)

    def build(self, accept: Callable[[nn.Module], None] = lambda model: None, place: int = 0) -> None:
        """Build the network; the random state is restored.

        Args:
            accept: As for `Teacher.build`.
            place: Index among the peers, so that no two start with the same weights.
        """
        if self.built:
            return
        config = resolve(self.config)
        self._came_along = False
        with apart(config):
            torch.default_generator.manual_seed(torch.initial_seed() + 1 + place)
            model = build_model(config)
            accept(model)
            model.init_weights()
            if self.checkpoint:
                self._load(model)
        self._model = model

    def follow(self, student: nn.Module) -> None:
        """Does nothing: a peer is a submodule of the student and moves with it."""

    def __deepcopy__(self, memo: dict) -> 'Peer':
        other = copy(self)
        # With the memo, this is the same copy as in the student's `peers`.
        other._model = deepcopy(self._model, memo)
        return other

    def __reduce__(self):
        return Peer, (self.config, self.checkpoint), dict(_model=self._model, classes=self.classes)


def read_teachers(setting) -> list[Teacher]:
    """Read the `teacher=` setting: nothing, one teacher, or a list of them.

    Raises:
        ValueError: A setting is unknown, or some of the teachers are trainable and some are not.
    """
    settings = [] if setting is None else setting if isinstance(setting, (list, tuple)) else [setting]
    found = [_read(each) for each in settings]
    if len({teacher.trainable for teacher in found}) > 1:
        raise ValueError(
            'teacher= has frozen teachers and trainable ones. Peers learn from each other: write trainable=True in '
            'each of them, or in none.'
        )
    return found


def require_rows(terms: Sequence[Term], taps: dict) -> None:
    """Raise ValueError unless these terms compare rows of logits with losses that learn nothing, as peers need."""
    for term in terms:
        if taps[term.tap].gives != 'logits' or term.learns:
            rows = [name for name, tap in taps.items() if tap.gives == 'logits']
            raise ValueError(
                f'Peers (trainable=True) compare only logits, by losses without learned layers; the term '
                f"{type(term.loss).__name__} on tap '{term.tap}' does not. Use dict(tap='{rows[0]}', "
                "loss=dict(type='luminet_det.KDLoss', tau=1.0))."
            )


def mutual(term: Term, rows: Sequence[Given], **given) -> list[Tensor]:
    """The loss of each network against the others.

    Args:
        term: The term.
        rows: The logits (K, C) of each network, or a tuple with those of each view. Where a network is compared with
            the others, theirs are detached.
        **given: The tap's additional inputs.

    Returns:
        For each network, the mean of the term over the other ones.
    """
    others = [[_detached(other) for other in rows if other is not own] for own in rows]
    return [sum(term(own, other, **given) for other in of) / len(of) for own, of in zip(rows, others, strict=True)]


def weighed(found: dict[str, Tensor], weights: dict[str, float]) -> dict[str, Tensor]:
    """The peers' entries of a step, with their terms multiplied by the weights.

    Args:
        found: All entries; those of peers are called `peer1_loss_<term>`, `peer1_loss_<own loss>` and so on.
        weights: The schedule's weight of each term.
    """
    own = {name: value for name, value in found.items() if name.startswith('peer')}
    return {name: weights.get(name.partition('_loss_')[2], 1.0) * value for name, value in own.items()}


def _detached(rows: Given) -> Given:
    return rows.detach() if isinstance(rows, Tensor) else tuple(view.detach() for view in rows)


def _read(setting) -> Teacher:
    if isinstance(setting, dict) and not isinstance(setting.get('trainable', False), bool):
        raise ValueError(
            f'teacher=dict(trainable={setting["trainable"]!r}) is neither True, for a peer that trains too, nor False.'
        )
    if not isinstance(setting, dict) or not setting.get('trainable'):
        return Teacher.from_setting(setting)
    check_keys('A teacher with trainable=True', setting, ('config', 'checkpoint', 'trainable'))
    if 'config' not in setting:
        raise ValueError("teacher=dict(trainable=True) lacks the key 'config': a zoo name, a path or a model dict.")
    return Peer(**{key: value for key, value in setting.items() if key != 'trainable'})
