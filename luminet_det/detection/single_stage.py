"""DistillSingleStageDetector: a dense detector that learns from a teacher at its own priors."""

import inspect

import torch
from mmdet.models.detectors import SingleStageDetector
from mmengine.dist import get_world_size
from torch import Tensor

from luminet_det.detection.answers import HeadAnswer
from luminet_det.detection.dense_taps import DenseRows, recorded, require_dense
from luminet_det.detection.dense_teacher import DenseTeacher
from luminet_det.detection.detector_teacher import DetectorTeacher
from luminet_det.detection.feature_taps import FEATURE_TAPS
from luminet_det.detection.kinds import refuse_other_kinds, require_same_probabilities
from luminet_det.detection.student import DetectorStudent
from luminet_det.distillation.settings import check_keys
from luminet_det.distillation.taps import Tap
from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.terms import Term
from luminet_det.registry import MODELS


@MODELS.register_module()
class DistillSingleStageDetector(DetectorStudent, SingleStageDetector):
    """A RetinaNet, FCOS, ATSS, GFL or RTMDet that learns from a frozen teacher.

    It is the student: config, `state_dict` and inference are those of mmdet's detector, and mmdet's own `loss` runs
    unchanged. In training the teacher's backbone, neck and head run, without gradient, on the same images, and each
    term of `distill` compares the two.

    Taps:
        dense_cls: Class logits (K, C) with the labels that the student's head assigns; a row is a prior (an anchor or
            point) of any level of any image. `rows=100`, the default, or another number takes that many rows from each
            image, those where the teacher is most certain of a class; other choices are `'all'` and `'foreground'`.
            Both heads must have the same priors. Most heads decide each class independently, by a sigmoid, which needs
            `use_sigmoid=True` in the loss; a head with a softmax works with every loss on rows.
        neck, backbone: Feature maps, a tuple of (N, C_i, H_i, W_i); `levels='all'`, `'common'` for the strides that
            both networks have, or a list such as `[0, 1, 2, 3]`, from the finest. For these the teacher may be a
            detector of any kind.

    Args:
        *args: As for `mmdet.models.detectors.SingleStageDetector`.
        teacher: See `luminet_det.distillation.Teacher`. A list is an ensemble: logits are averaged over the teachers,
            for feature maps the losses are.
        distill: Terms, e.g. `[dict(tap='dense_cls', loss=dict(type='luminet_det.LumiNetLoss', use_sigmoid=True))]`.
        use_syncbn: Take batch statistics over all processes, as mmdet's `RTMDet` does by default.
        **kwargs: As for `mmdet.models.detectors.SingleStageDetector`.

    Raises:
        ValueError: A setting is unknown, the student is not a single-stage detector, or a term does not fit its head.
    """

    taps = {
        'dense_cls': Tap('logits', {'rows': (100, 'all', 'foreground', int)}, offers=('target', 'epoch')),
        **FEATURE_TAPS,
    }

    def __init__(self, *args, teacher=None, distill=None, use_syncbn: bool = False, **kwargs) -> None:
        refuse_other_kinds(kwargs)
        if 'roi_head' in kwargs:
            raise ValueError(
                'The student has a roi_head: it is a two-stage detector. Write '
                "type='luminet_det.DistillTwoStageDetector'."
            )
        known = [*inspect.signature(SingleStageDetector).parameters, 'teacher', 'distill', 'use_syncbn']
        check_keys('model', kwargs, known)
        super().__init__(*args, **kwargs)
        if use_syncbn and get_world_size() > 1:
            torch.nn.SyncBatchNorm.convert_sync_batchnorm(self)
        self.listen(teacher, distill)
        if self.head_taps:
            require_dense(self, 'student')
        for term in self.terms:
            if term.tap == 'dense_cls':
                require_same_probabilities(term, self.bbox_head, self.bbox_head.use_sigmoid_cls)

    def accept(self, teacher: torch.nn.Module) -> None:
        """If a term compares heads, only a dense detector can be a teacher, as both need the same priors."""
        super().accept(teacher)
        if self.head_taps:
            require_dense(teacher, 'teacher')

    def meet(self, teacher: Teacher) -> DetectorTeacher:
        """Map pixels, priors and classes between this student and a built teacher."""
        return DenseTeacher(teacher, self, self.student_classes()) if self.head_taps else super().meet(teacher)

    def asks_early(self) -> bool:
        """The priors are known before the forward pass, unless a teacher pads images more and has additional ones."""
        return not any(link.pixels.resizes for link in self.links)

    def recorded_head(self):
        """Records the head's logits and the labels it assigns."""
        return recorded(self.bbox_head)

    def head_rows(
        self, term: Term, calls: list[DenseRows], answers: list[HeadAnswer], logits: list[Tensor]
    ) -> list[tuple]:
        """(student, teacher, target) of a term."""
        triples = []
        for call, answer, student in zip(calls, answers, logits, strict=True):
            _require_same_rows(call, answer)
            teacher = answer.cls_score.flatten(0, 1)
            rows = call.rows(term.options['rows'], answer.cls_score)
            triples.append((student[rows], teacher[rows], call.labels.flatten()[rows]))
        return triples

    def example_rows(self, term: Term) -> tuple[Tensor, Tensor]:
        """One prior's logits (1, C)."""
        row = next(self.parameters()).new_zeros(1, self.bbox_head.cls_out_channels)
        return row, row

    def agreement(self, calls: list[DenseRows], answers: list[HeadAnswer]) -> Tensor:
        """The share of foreground rows, 0 to 1, to which student and teacher give the same class; 0 without any."""
        call, answer = calls[-1], answers[-1]
        rows = call.rows('foreground', answer.cls_score)
        same = call.cls_score[rows].argmax(1) == answer.cls_score.flatten(0, 1)[rows].argmax(1)
        return same.sum() / max(len(same), 1)


def _require_same_rows(call: DenseRows, answer: HeadAnswer) -> None:
    """Raise ValueError unless both networks have the same number of priors on these images."""
    if answer.cls_score.shape[:2] != call.labels.shape:
        sizes = ', '.join(f'{height}x{width}' for height, width in call.sizes)
        raise ValueError(
            f'On these images the student has {call.labels.shape[1]} priors (levels of {sizes}), the teacher '
            f'{answer.cls_score.shape[1]}: the networks round sizes differently. Set pad_size_divisor of the '
            "student's data_preprocessor to its coarsest stride, e.g. 128, so that nothing is rounded."
        )
