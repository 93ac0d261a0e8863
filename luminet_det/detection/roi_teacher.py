"""RoITeacher: a teacher wired to a two-stage student, answering on the student's RoIs."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from luminet_det.detection.classes import ClassMap
from luminet_det.detection.deltas import DeltaMap
from luminet_det.detection.roi_taps import RoIs, assigned_deltas, box_head
from luminet_det.distillation.pixels import PixelMap
from luminet_det.distillation.teacher import Teacher


@dataclass
class RoIAnswer:
    """What a teacher says of one call's RoIs, in the student's order and encoding.

    Attributes:
        cls_score: (K, C + 1) logits.
        finite_images: (N,), whether the teacher's coarsest features of each image are finite.
        foreground_deltas: (F, 4) box deltas of the assigned class on the F foreground RoIs, where asked for.
    """

    cls_score: Tensor
    finite_images: Tensor
    foreground_deltas: Tensor | None = None

    @classmethod
    def cat(cls, parts: Sequence['RoIAnswer']) -> 'RoIAnswer':
        """The answers on consecutive images, one after the other."""
        return (
            parts[0] if len(parts) == 1 else cls(*(torch.cat(t) if t[0] is not None else None for t in _columns(parts)))
        )

    @classmethod
    def mean(cls, answers: Sequence['RoIAnswer']) -> 'RoIAnswer':
        """The average of an ensemble's answers on the same RoIs."""
        if len(answers) == 1:
            return answers[0]
        cls_scores, finite, deltas = _columns(answers)
        mean_deltas = None if deltas[0] is None else torch.stack(deltas).mean(0)
        return cls(torch.stack(cls_scores).mean(0), torch.stack(finite).all(0), mean_deltas)


def _columns(answers: Sequence[RoIAnswer]) -> list[tuple]:
    return list(zip(*((a.cls_score, a.finite_images, a.foreground_deltas) for a in answers), strict=True))


class RoITeacher:
    """Runs a teacher's backbone, neck and box head on given RoIs; no RPN, no sampling, no loss.

    A cascade answers with the head of the same stage; one with fewer stages with its last. So a Faster R-CNN
    student hears a cascade's first stage, whose RoIs come from an RPN as its own do.

    Args:
        teacher: A built teacher.
        student: The two-stage student.
        student_classes: Class names of the student's training set, None where unknown.

    Raises:
        ValueError: Classes or box encodings cannot be matched.
    """

    def __init__(self, teacher: Teacher, student: nn.Module, student_classes: Sequence[str] | None) -> None:
        self.teacher = teacher
        self.student_head = student.roi_head
        self.pixels = PixelMap(student.data_preprocessor, teacher.model.data_preprocessor)
        self.classes = ClassMap(
            teacher.classes,
            student_classes,
            box_head(teacher.model.roi_head).num_classes,
            box_head(student.roi_head).num_classes,
        )
        self._delta_maps: dict[int, DeltaMap] = {}

    def answer(
        self, calls: list[RoIs], inputs: Tensor, image_shapes: list[tuple[int, int]], wants_boxes: bool
    ) -> list[RoIAnswer]:
        """Answer on the RoIs of each call.

        Args:
            calls: The student's RoIs.
            inputs: (N, 3, H, W), normalised for the student.
            image_shapes: Height and width of each image inside its padding.
            wants_boxes: Whether box deltas are asked for.
        """
        images = self.pixels(inputs, image_shapes).split(self.teacher.batch_size)
        # RoI features outgrow the maps they are cut from, so the box head takes half as many images.
        sizes = [[len(half) for half in part.tensor_split(2) if len(half)] for part in images]
        calls_by_part = zip(*(call.split(list(chain(*sizes))) for call in calls), strict=True)
        answers = []
        for part, halves in zip(images, sizes, strict=True):
            answers += self._answer_part(part, halves, calls_by_part, wants_boxes)
        return [RoIAnswer.cat(of_call) for of_call in zip(*answers, strict=True)]

    def describe(self) -> list[str]:
        """Lines for the announcement at the start of training."""
        return [f'pixels   {self.pixels.describe()}', f'classes  {self.classes.describe()}']

    def _answer_part(
        self, images: Tensor, sizes: list[int], calls_by_part: Iterator[tuple[RoIs, ...]], wants_boxes: bool
    ) -> list[list[RoIAnswer]]:
        """Answers on some images, whose features do not outlive this method, in parts of `sizes` images."""
        features = self.teacher.extract_feat(images)
        return [
            [self._answer(stage, call, levels, wants_boxes) for stage, call in enumerate(next(calls_by_part))]
            for levels in zip(*(level.split(sizes) for level in features), strict=True)
        ]

    def _answer(self, stage: int, call: RoIs, features: tuple[Tensor, ...], wants_boxes: bool) -> RoIAnswer:
        roi_head = self.teacher.model.roi_head
        with self.teacher.precision(call.rois.device.type):
            if isinstance(roi_head.bbox_head, nn.ModuleList):
                results = roi_head._bbox_forward(min(stage, len(roi_head.bbox_head) - 1), features, call.rois)
            else:
                results = roi_head._bbox_forward(features, call.rois)
        cls_score = _wide(results['cls_score'])
        self._require_class_columns('teacher', cls_score, box_head(roi_head, stage))
        self._require_class_columns('student', call.cls_score, box_head(self.student_head, stage))
        answer = RoIAnswer(self.classes(cls_score), features[-1].isfinite().flatten(1).all(1))
        if wants_boxes:
            rows = call.rows('foreground')
            deltas = assigned_deltas(_wide(results['bbox_pred'])[rows], self.classes.teacher_labels(call.labels[rows]))
            answer.foreground_deltas = self._delta_map(stage)(deltas)
        return answer

    def _delta_map(self, stage: int) -> DeltaMap:
        if stage not in self._delta_maps:
            heads = box_head(self.teacher.model.roi_head, stage), box_head(self.student_head, stage)
            self._delta_maps[stage] = DeltaMap(*heads)
        return self._delta_maps[stage]

    @staticmethod
    def _require_class_columns(whose: str, cls_score: Tensor, head: nn.Module) -> None:
        if cls_score.shape[1] != head.num_classes + 1:
            raise ValueError(
                f'The {whose} gives {cls_score.shape[1]} logits for {head.num_classes} classes and the background, '
                f'as {type(head.loss_cls).__name__} wants them; the tap roi_cls compares {head.num_classes + 1}. '
                'Use a loss_cls with one logit a class, such as CrossEntropyLoss, in its bbox_head.'
            )


def _wide(outputs: Tensor) -> Tensor:
    """Half-precision outputs in float32: student and teacher may run in different half types."""
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))


def require_two_stage(model: nn.Module | None, whose: str) -> None:
    """Raise ValueError unless `model` has a box head that can be asked about given RoIs."""
    roi_head = getattr(model, 'roi_head', None)
    ask = getattr(roi_head, '_bbox_forward', None)
    needs = set(inspect.signature(ask).parameters) - {'stage', 'x', 'rois'} if ask else {'a RoI head'}
    if needs or not hasattr(roi_head, 'bbox_loss'):
        kind = 'a single-stage detector' if roi_head is None else f'a detector with {type(roi_head).__name__}'
        raise ValueError(
            f'The {whose} is {kind}. DistillTwoStageDetector compares box heads on the same RoIs, so both '
            'must be two-stage: Faster R-CNN, Mask R-CNN, Cascade R-CNN and those of their kind.'
        )
