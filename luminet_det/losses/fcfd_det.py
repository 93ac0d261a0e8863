"""FCFD for two-stage detectors: box heads must read the bridged maps as they read the teacher's."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from .bridges import bridge
from .kd import KDLoss
from .maps import Levels, LevelsLoss
from .rows import full_precision
from .settings import not_negative, require_a_part


class FCFDDetLoss(LevelsLoss):
    """Function-consistent feature distillation, for two-stage detectors.

    For each level of the neck a bridge (3x3 convolution and norm) carries the student's maps S_i into the teacher's
    space, and another one the teacher's T_i into the student's. On the RoIs that the student has sampled, class logits
    (K, C + 1) and box deltas (K, 4 C) come from the teacher's head on T (the target, without gradient), the student's
    head on S, the teacher's head on the bridged S, and the student's head on the bridged T. With the sums over the
    latter three ways w::

        cls  = tau**2 / K * sum over w, k of KL(softmax(target_k / tau) || softmax(logits_wk / tau))
        box  = sum over w of mean((deltas_w - target)**2)
        maps = sum over levels of mean((bridge(S_i) - T_i)**2)
        loss = loss_weight * (cls_weight * cls + box_weight * box + feature_weight * maps)

    `box` covers all RoIs and the deltas of all classes. With several calls of the head, as in a cascade, cls and box
    are the means over these. The teacher's head is frozen; the gradient passes through it to the bridged maps.

    Source: Liu et al., "Function-Consistent Feature Distillation", ICLR 2023, arXiv 2304.11832; published for Faster
    R-CNN with an FPN, all five levels, all settings 1. The authors' code runs the student's head on S a second time;
    here its outputs in the student's own loss are used. No box head uses the coarsest level, so the bridge from the
    teacher to the student there gets a gradient of zero, as several processes need; in that code it gets none.

    The bridges have 5,903,360 parameters for five levels of 256 channels. They follow autocast; the losses are computed
    in float32. Each process uses its own statistics.

    Args:
        tau: Temperature of the logits. Higher is softer.
        cls_weight: Factor on the divergence of the logits.
        box_weight: Factor on the distance of the deltas.
        feature_weight: Factor on the distance of the maps.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `tau` is not positive, a weight is negative, or all three parts have the weight 0.
    """

    bridges = True
    needs = ('heads',)
    elsewhere = "luminet_det.FCFDLoss on the tap 'features' of classifiers"

    def __init__(
        self,
        tau: float = 1.0,
        cls_weight: float = 1.0,
        box_weight: float = 1.0,
        feature_weight: float = 1.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        self.kd = KDLoss(tau)
        self.tau = self.kd.tau
        self.cls_weight = not_negative('cls_weight', cls_weight)
        self.box_weight = not_negative('box_weight', box_weight)
        self.feature_weight = not_negative('feature_weight', feature_weight)
        require_a_part(self, 'cls_weight', 'box_weight', 'feature_weight')
        self.to_teacher: nn.ModuleList | None = None

    def adapt(self, student: Levels, teacher: Levels) -> None:
        """Build the bridges; once, before the optimizer is built.

        Args:
            student: An example (N, C_i, H_i, W_i) of each level of the neck.
            teacher: As many maps.

        Raises:
            ValueError: If the lists differ in length, or the two maps of a level differ in size.
        """
        self.require_levels(student, teacher)
        sizes = [[tuple(level.shape[2:]) for level in levels] for levels in (student, teacher)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f'FCFDDetLoss compares levels of one stride; got sizes {sizes[0]} of the student and {sizes[1]} of the '
                "teacher. Use the tap 'neck' of detectors with the same strides."
            )
        self.to_teacher = nn.ModuleList(map(bridge, student, teacher))
        self.to_student = nn.ModuleList(map(bridge, teacher, student))

    def forward(self, student: Levels, teacher: Levels, *, heads) -> Tensor:
        """Compare maps, and the outputs of the heads on them.

        Args:
            student: The neck's maps (N, C_i, H_i, W_i), level by level.
            teacher: As many maps; detached here.
            heads: One for each call of the student's box head, with `own`, its outputs, and `target`, those of the
                teacher's head, both with `cls_score` (K, C + 1) and `bbox_pred` (K, 4 C); and with `student(maps)` and
                `teacher(maps)`, the outputs of the two heads on other maps. See `luminet_det.detection.heads`.

        Returns:
            A scalar.

        Raises:
            RuntimeError: If `adapt` was not called before.
            ValueError: If these are not as many maps as `adapt` has seen.
        """
        if self.to_teacher is None:
            raise RuntimeError(
                'FCFDDetLoss has no bridges yet: call adapt(student, teacher) with examples of the maps.'
            )
        self.require_levels(student, teacher)
        if len(student) != len(self.to_teacher):
            raise ValueError(f'FCFDDetLoss was adapted to {len(self.to_teacher)} levels; got {len(student)}.')
        teacher = tuple(full_precision(level.detach()) for level in teacher)
        # In full precision for RoIAlign as well, which not every build can run in bf16.
        as_teachers = _carried(self.to_teacher, student)
        as_students = _carried(self.to_student, teacher)
        ways = [
            (said, each.target)
            for each in heads
            for said in (each.own, each.teacher(as_teachers), each.student(as_students))
        ]
        with torch.autocast(student[0].device.type, enabled=False):
            cls = sum(self.kd(said.cls_score, target.cls_score) for said, target in ways) / len(heads)
            box = sum(_distance(said.bbox_pred, target.bbox_pred) for said, target in ways) / len(heads)
            maps = sum(map(mse_loss, as_teachers, teacher)) + 0 * sum(p.sum() for p in self.to_student.parameters())
            return self.loss_weight * (self.cls_weight * cls + self.box_weight * box + self.feature_weight * maps)

    def extra_repr(self) -> str:
        return (
            f'tau={self.tau:g}, cls_weight={self.cls_weight:g}, box_weight={self.box_weight:g}, '
            f'feature_weight={self.feature_weight:g}, {super().extra_repr()}'
        )


def _carried(bridges: nn.ModuleList, levels: Levels) -> Levels:
    return tuple(full_precision(bridge(level)) for bridge, level in zip(bridges, levels, strict=True))


def _distance(deltas: Tensor, target: Tensor) -> Tensor:
    """The mean squared distance; 0 without RoIs."""
    deltas, target = full_precision(deltas), full_precision(target.detach())
    return mse_loss(deltas, target, reduction='sum') / max(deltas.numel(), 1)
