"""FCFD: the networks must read the student's features as they read the teacher's."""

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, mse_loss, relu

from .bridges import bridge
from .kd import KDLoss
from .maps import Levels, LevelsLoss
from .rows import full_precision
from .settings import not_negative, require_a_part

# Negative slope of the leaky ReLU after a bridge into a network whose stages end in a ReLU.
SLOPE = 0.1


class FCFDLoss(LevelsLoss):
    """Function-consistent feature distillation, for classifiers.

    Both networks are cut at the ends of their S stages, 0 (the stem) to S - 1. For each stage from 1 on a bridge
    carries maps of the student into the teacher's space, and for those from 1 to S - 2 another one carries maps of the
    teacher into the student's: 3x3 convolution, norm and, where the stages of the receiving network end in a ReLU, a
    leaky one of slope 0.1. A mixed path starts in one network, crosses a bridge at the end of a stage from 1 to S - 2
    and finishes in the other. In each step `num_paths` of the 2 (S - 2) are drawn without replacement, from torch's
    global generator. With B images, logits (B, C) and e the 0-based epoch::

        mixed   = sum over the paths of tau**2 / B * sum_b KL(softmax(t_b / tau) || softmax(m_b / tau))
        feature = sum over stages i >= 1 and u in U_i of mean((u - F_i)**2)
                  + sum over u in U_(S-1) of mean((GAP(ReLU(u)) - GAP(ReLU(F_(S-1))))**2)
        loss    = loss_weight * (mixed_weight * mixed + feature_weight * min((e + 1) / feature_warmup, 1) * feature)

    t are the teacher's logits, m those of a mixed path, F_i the teacher's maps at the end of stage i, and U_i the maps
    in its space that come from the student: the bridged ones, and those of mixed paths that run in the teacher there.
    GAP is the mean over positions. The published objective adds cross-entropy and the student's own KL: a
    `KDLoss(tau=tau)` on the tap `logits`.

    Source: Liu et al., "Function-Consistent Feature Distillation", ICLR 2023, arXiv 2304.11832. CIFAR-100: tau 4, but 8
    for MobileNetV2 <- ResNet50 and ShuffleNets <- resnet32x4; mixed_weight 1, but 0.2 for wrn_16_2 <- wrn_40_2;
    feature_weight 5, but 0.02 for resnet20 <- resnet56. ImageNet: tau 1; feature_weight 0.02 for ResNet-18 <-
    ResNet-34, 5 for MobileNetV1 <- ResNet-50.

    As in the authors' code, the norms of stages on a mixed path use the statistics of the batch, share their weights
    with the network, and do not update running statistics. That code leaves the teacher in training mode too, so the
    norms of F and t use the batch's statistics; here they use their running ones, unless the teacher has the setting
    `batch_statistics=True`. In that code, bridge convolutions that change the size have a bias, which the norm cancels;
    here they have none. A bridge to the student that no path has crossed gets a gradient of zero here, as several
    processes need; in that code it gets none, and so no weight decay in that step.

    The bridges have 959,744 parameters for resnet8x4 <- resnet32x4. They follow autocast; the losses are computed in
    float32. Each process draws its own paths and uses its own statistics.

    Args:
        tau: Temperature of the mixed paths' logits. Higher is softer.
        mixed_weight: Factor on the mixed paths' divergence.
        feature_weight: Factor on the distance of the maps.
        feature_warmup: Epochs of the linear ramp of that distance; 0 for no ramp.
        num_paths: Number of mixed paths in a step, 1 to 2 (S - 2).
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `tau` or `num_paths` is not above 0, another setting is negative, or both parts have weight 0.
    """

    bridges = True
    needs = ('networks', 'epoch')
    elsewhere = "luminet_det.FCFDDetLoss on the tap 'neck' of two-stage detectors"
    # The loss takes the maps at which the networks can be cut, and runs the networks from there.
    needs_options = dict(relu='after', stages='all', pooled=False)

    def __init__(
        self,
        tau: float = 4.0,
        mixed_weight: float = 1.0,
        feature_weight: float = 5.0,
        feature_warmup: float = 20,
        num_paths: int = 2,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        self.kd = KDLoss(tau)
        self.tau = self.kd.tau
        self.mixed_weight = not_negative('mixed_weight', mixed_weight)
        self.feature_weight = not_negative('feature_weight', feature_weight)
        require_a_part(self, 'mixed_weight', 'feature_weight')
        self.feature_warmup = not_negative('feature_warmup', feature_warmup)
        # A run that does not count epochs has to be refused.
        self.by_epoch = bool(feature_weight and feature_warmup)
        if type(num_paths) is not int or num_paths < 1:
            raise ValueError(f'num_paths must be a whole number, 1 or above, got num_paths={num_paths!r}')
        self.num_paths = num_paths
        self.to_teacher: nn.ModuleList | None = None

    def adapt(self, student: Levels, teacher: Levels) -> None:
        """Build the bridges; once, before the optimizer is built.

        Args:
            student: An example of the maps (B, C_i, H_i, W_i) at the end of each stage.
            teacher: As many maps.

        Raises:
            ValueError: If the lists differ in length or are too short for `num_paths`, or sizes cannot be bridged.
        """
        self.require_levels(student, teacher)
        paths = 2 * (len(student) - 2)
        if self.num_paths > paths:
            raise ValueError(
                f'FCFDLoss finds {max(paths, 0)} mixed paths through networks of {len(student)} stages, two for each '
                f'stage between the first and the last, but num_paths={self.num_paths}. Set a smaller num_paths, or '
                'use networks with more stages.'
            )
        pairs = list(zip(student, teacher, strict=True))[1:]
        try:
            self.to_teacher = nn.ModuleList(bridge(own, other) for own, other in pairs)
            self.to_student = nn.ModuleList(bridge(other, own) for own, other in pairs[:-1])
        except ValueError as error:
            raise ValueError(
                f"FCFDLoss cannot bridge the student's and the teacher's maps at the ends of all stages: {error}. "
                'Choose networks whose maps shrink alike, or another loss.'
            ) from error

    # Which path is run differs from step to step, and norms change their mode on the way.
    @torch.compiler.disable
    def forward(self, student: Levels, teacher: Levels, *, networks, epoch: int) -> Tensor:
        """Run the mixed paths and compare.

        Args:
            student: Its maps (B, C_i, H_i, W_i) at the end of each stage, the stem's first.
            teacher: As many maps; detached here.
            networks: `student` and `teacher`, each with `after_relu`, whether its stages end in a ReLU;
                `finish(maps, stages)`, the maps and logits of the rest of the network; and `classify(maps)`, the
                logits of the last maps. See `luminet_det.classification.segments`.
            epoch: 0-based.

        Returns:
            A scalar.

        Raises:
            RuntimeError: If `adapt` was not called before.
            ValueError: If these are not as many maps as `adapt` has seen.
        """
        if self.to_teacher is None:
            raise RuntimeError('FCFDLoss has no bridges yet: call adapt(student, teacher) with examples of the maps.')
        self.require_levels(student, teacher)
        stages = len(self.to_teacher) + 1
        if len(student) != stages:
            raise ValueError(f'FCFDLoss was adapted to networks of {stages} stages; got the maps of {len(student)}.')
        if not len(student[0]):
            return sum(maps.sum() for maps in student) * 0
        teacher = tuple(maps.detach() for maps in teacher)
        pairs = zip(self.to_teacher, student[1:], strict=True)
        # For each stage from 1 on, the maps in the teacher's space that come from the student.
        of_student = [[_crossed(bridge, maps, networks.teacher)] for bridge, maps in pairs]
        logits, idle = [], set(self.to_student)
        for is_teachers, i in self.draw():
            rest = range(i + 1, stages)
            if is_teachers:
                idle.remove(self.to_student[i - 1])
                maps = _crossed(self.to_student[i - 1], teacher[i], networks.student)
                logits.append(networks.student.finish(maps, rest)[1])
            else:
                found, said = networks.teacher.finish(of_student[i - 1][0], rest)
                logits.append(said)
                for same_stage, maps in zip(of_student[i:], found, strict=True):
                    same_stage.append(maps)
        with torch.no_grad():
            target = networks.teacher.classify(teacher[-1])
        with torch.autocast(student[0].device.type, enabled=False):
            mixed = sum(self.kd(said, target) for said in logits) + 0 * sum(
                p.sum() for bridge in idle for p in bridge.parameters()
            )
            feature = _distance(of_student, teacher[1:])
            ramp = min((epoch + 1) / self.feature_warmup, 1.0) if self.feature_warmup else 1.0
            return self.loss_weight * (self.mixed_weight * mixed + self.feature_weight * ramp * feature)

    def draw(self) -> list[tuple[bool, int]]:
        """The mixed paths of a step, each as whether it starts in the teacher, and the last stage before it crosses."""
        paths = list(product((True, False), range(1, len(self.to_teacher))))
        drawn = torch.randperm(len(paths), device='cpu')[: self.num_paths]
        return [paths[i] for i in drawn.tolist()]

    def extra_repr(self) -> str:
        return (
            f'tau={self.tau:g}, mixed_weight={self.mixed_weight:g}, feature_weight={self.feature_weight:g}, '
            f'feature_warmup={self.feature_warmup:g}, num_paths={self.num_paths}, {super().extra_repr()}'
        )


def _crossed(bridge: nn.Module, maps: Tensor, receiver) -> Tensor:
    """Maps in the space of the network that receives them."""
    maps = bridge(maps)
    return leaky_relu(maps, SLOPE, inplace=True) if receiver.after_relu else maps


def _distance(of_student: list[list[Tensor]], teacher: Levels) -> Tensor:
    """The mean squared distance from the teacher's maps, and of the last ones pooled, summed over stages and maps."""
    pairs = [
        (full_precision(maps), full_precision(other))
        for same_stage, other in zip(of_student, teacher, strict=True)
        for maps in same_stage
    ]
    pooled = [[relu(maps).mean((2, 3)) for maps in pair] for pair in pairs[-len(of_student[-1]) :]]
    return sum(mse_loss(*pair) for pair in (*pairs, *pooled))
