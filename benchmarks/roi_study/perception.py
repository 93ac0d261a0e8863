"""LumiNet with a setting for each choice that the paper leaves open on RoIs; the library has those of the study."""

from dataclasses import replace
from functools import partial

import torch
from mmdet.structures import SampleList
from mmdet.structures.bbox import get_box_tensor
from mmengine.logging import MessageHub
from torch import Tensor
from torch.nn.functional import one_hot
from torchvision.ops import box_iou

from luminet_det.detection.answers import HeadAnswer
from luminet_det.detection.roi_taps import RoIs
from luminet_det.detection.two_stage import DistillTwoStageDetector
from luminet_det.distillation.terms import Term
from luminet_det.losses.rows import ClassRowLoss, softmax_kl
from luminet_det.losses.settings import positive
from luminet_det.registry import MODELS

STATISTICS = ('step', 'window', 'teacher')
PARTS = ('both', 'mean', 'deviation', 'scale', 'centre', 'none')
NEAR = 0.3  # IoU with a ground truth box
MOMENTUM = 0.1  # of the teacher's running estimate


@MODELS.register_module()
class StudiedLumiNetLoss(ClassRowLoss):
    """`luminet_det.LumiNetLoss` by autograd; with the defaults it is the same loss.

    It logs what `log_gradient` finds in each step's gradient with respect to the student's logits (K, C), and as
    `share_offset_of_labels` how much of cross-entropy's gradient on the same rows is an offset.

    Args:
        tau: Temperature.
        loss_weight: Factor on the returned value.
        eps: Added to each class's variance.
        statistics: The rows of mean and variance: `'step'`, those of the step; `'window'`, those of the last `window`
            steps, separate for each network and without gradient for past steps; `'teacher'`, a running estimate of
            the teacher's, by which both networks are standardised.
        window: Steps in the window.
        background: Whether the last column counts.
        absent: Whether the columns of classes count that no row has.
        detached: Whether no gradient flows through the student's mean and variance.
        parts: Which of LumiNet's two steps are taken: `'both'`; `'mean'`, each class's mean is subtracted and all are
            divided by one deviation; `'deviation'`, each class is divided by its own and keeps its mean; `'scale'`,
            neither, all logits of a network are divided by one deviation: KD with a separate temperature for each;
            `'centre'`, the means are subtracted and nothing is divided; `'none'`, KD on the unchanged logits.
        num_classes: Number of columns, including the background.
    """

    def __init__(
        self,
        tau: float = 2.0,
        loss_weight: float = 16.0,
        eps: float = 1e-5,
        statistics: str = 'step',
        window: int = 16,
        background: bool = True,
        absent: bool = True,
        detached: bool = False,
        parts: str = 'both',
        num_classes: int = 11,
    ) -> None:
        super().__init__(tau, loss_weight)
        if statistics not in STATISTICS:
            raise ValueError(f'statistics={statistics!r} is unknown; choose one of {", ".join(STATISTICS)}')
        if statistics == 'teacher' and (parts != 'both' or detached):
            raise ValueError(f"statistics='teacher' has no {parts=} or {detached=}: the student's own are not used")
        if parts not in PARTS:
            raise ValueError(f'parts={parts!r} is unknown; choose one of {", ".join(PARTS)}')
        if window < 1:
            raise ValueError(f'window must be 1 or more steps, got {window=}')
        self.eps, self.statistics, self.window, self.parts = positive('eps', eps), statistics, window, parts
        self.background, self.absent, self.detached = background, absent, detached
        if statistics == 'window':
            # For the student and the teacher: number of rows, sum and sum of squares of each column.
            self.register_buffer('past', torch.zeros(2, window, 3, num_classes, dtype=torch.float64))
        if statistics == 'teacher':
            self.register_buffer('running', torch.zeros(2, num_classes))
        if statistics != 'step':
            self.register_buffer('steps', torch.zeros((), dtype=torch.long))

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor) -> Tensor:
        if student.requires_grad and len(student):
            student = student.view_as(student)
            student.register_hook(partial(log_gradient, target != student.shape[1] - 1))
            log('share_offset_of_labels', offset(student.detach().softmax(1) - one_hot(target, student.shape[1])))
        (own, own_scale), (other, other_scale) = self._statistics(student, teacher)
        student, teacher = (student - own) * own_scale, (teacher - other) * other_scale
        counted = torch.ones(student.shape[1], dtype=torch.bool, device=student.device)
        if not self.absent:
            counted = torch.bincount(target, minlength=len(counted)) > 0
        if not self.background:
            counted[-1] = False
        columns = counted.nonzero()[:, 0]
        return softmax_kl(student[:, columns] / self.tau, teacher[:, columns] / self.tau) / max(len(student), 1)

    def _statistics(self, student: Tensor, teacher: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Mean and 1 / deviation of student and teacher, (C,) each."""
        if self.statistics == 'teacher':
            self._run(teacher)
            mean, variance = self.running
            return [(mean, torch.rsqrt(variance + self.eps))] * 2
        found = []
        for place, logits in enumerate((student, teacher)):
            own = logits.detach() if self.detached else logits
            if self.statistics == 'window':
                mean, variance = self._windowed(own, place)
            else:
                mean = own.sum(0) / max(len(own), 1)
                variance = (own - mean).square().sum(0) / max(len(own), 1)
            found.append(self._kept(mean, variance))
        if self.statistics == 'window':
            self.steps += 1
        return found

    def _kept(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        if self.parts in ('deviation', 'scale', 'none'):
            mean = torch.zeros_like(mean)
        if self.parts in ('centre', 'none'):
            return mean, torch.ones_like(variance)
        if self.parts in ('mean', 'scale'):
            # The mean over the classes of their variances, the same for all of them.
            variance = variance.mean().expand_as(variance)
        return mean, torch.rsqrt(variance + self.eps)

    def _windowed(self, logits: Tensor, place: int) -> tuple[Tensor, Tensor]:
        values = logits.double()
        now = torch.stack([torch.full_like(values[:1].sum(0), len(values)), values.sum(0), values.square().sum(0)])
        self.past[place, self.steps % self.window] = 0
        rows, total, squares = now + self.past[place].sum(0)
        self.past[place, self.steps % self.window] = now.detach()
        mean = total / rows.clamp(min=1)
        return mean.float(), (squares / rows.clamp(min=1) - mean.square()).clamp(min=0).float()

    @torch.no_grad()
    def _run(self, teacher: Tensor) -> None:
        if len(teacher):
            now = torch.stack([teacher.mean(0), teacher.var(0, unbiased=False)]).to(self.running)
            self.running.lerp_(now, MOMENTUM if self.steps else 1.0)
            self.steps += 1


def log_gradient(foreground: Tensor, gradient: Tensor) -> None:
    """Log on which rows a gradient (K, C) is; some of the rows are `foreground` (K,).

    `share_offset`: the share of its square that all rows have in common; `share_foreground`: the share on foreground
    rows, where `share_foreground_rows` is their share of the rows; `share_rows`: the effective number of rows,
    (sum of squares)**2 / sum of fourth powers of the rows' norms, over K.
    """
    of_rows = gradient.square().sum(1)
    if (whole := of_rows.sum()) > 0:
        log('share_offset', offset(gradient))
        log('share_foreground', of_rows[foreground].sum() / whole)
        log('share_foreground_rows', foreground.float().mean())
        log('share_rows', whole.square() / of_rows.square().sum() / len(gradient))


def offset(gradient: Tensor) -> Tensor:
    """The share of a gradient's square that all rows have in common: K * |mean of rows|**2 / |gradient|**2."""
    return len(gradient) * gradient.mean(0).square().sum() / gradient.square().sum()


def log(name: str, value: Tensor) -> None:
    MessageHub.get_current_instance().update_scalar(f'train/{name}', value.item())


@MODELS.register_module()
class StudiedDetector(DistillTwoStageDetector):
    """As its parent, with one more choice of rows: `rois='near'`, those with an IoU of 0.3 or more with a digit."""

    _roi_cls = DistillTwoStageDetector.taps['roi_cls']
    taps = DistillTwoStageDetector.taps | {
        'roi_cls': replace(_roi_cls, options={'rois': (*_roi_cls.options['rois'], 'near')})
    }

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict:
        self._truth = [get_box_tensor(sample.gt_instances.bboxes) for sample in batch_data_samples]
        return super().loss(batch_inputs, batch_data_samples)

    def head_rows(self, term: Term, calls: list[RoIs], answers: list[HeadAnswer], logits: list[Tensor]) -> list[tuple]:
        if term.options.get('rois') != 'near':
            return super().head_rows(term, calls, answers, logits)
        triples = [(near_rows(call, self._truth), *rest) for call, *rest in zip(calls, answers, logits, strict=True)]
        return [
            (student[rows], answer.cls_score[rows], call.labels[rows])
            for call, (rows, answer, student) in zip(calls, triples, strict=True)
        ]


def near_rows(call: RoIs, truth: list[Tensor]) -> Tensor:
    """Indices of the RoIs with an IoU of `NEAR` or more with a box of their image."""
    near = torch.zeros(len(call.rois), dtype=torch.bool, device=call.rois.device)
    for image, boxes in enumerate(truth):
        rows = call.image_index == image
        near[rows] = (box_iou(call.rois[rows, 1:], boxes.to(call.rois)) >= NEAR).any(1)
    return near.nonzero()[:, 0]
