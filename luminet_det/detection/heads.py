"""BoxHeads: the box heads of student and teacher, run on the same RoIs and on any maps."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from luminet_det.detection.detector_teacher import wide
from luminet_det.detection.kinds import require_class_columns
from luminet_det.detection.roi_taps import RoIs, box_head
from luminet_det.detection.roi_teacher import RoITeacher
from luminet_det.distillation.norms import batch_norms, batch_statistics

Maps = tuple[Tensor, ...]


class Boxes(NamedTuple):
    """The outputs of a box head on K RoIs: logits (K, C + 1) and deltas (K, 4 C), or (K, 4) if class-agnostic."""

    cls_score: Tensor
    bbox_pred: Tensor


class BoxHeads:
    """The box heads of student and teacher on the RoIs of one call of the student's head.

    For a cascade there is one for each stage, see `RoITeacher`. The teacher's outputs are converted to the student's
    order of classes and encoding of boxes.

    Args:
        link: The teacher, wired to the student.
        call: The recorded call of the student's head.
        stage: Index of the call in the step.
        teacher: The teacher's maps, level by level.

    Attributes:
        own: The outputs of the student's head in its own loss.
        target: The outputs of the teacher's head on the teacher's maps, without gradient.

    Raises:
        ValueError: The two heads encode boxes or arrange classes in ways that cannot be compared.
    """

    def __init__(self, link: RoITeacher, call: RoIs, stage: int, teacher: Maps) -> None:
        self.link = link
        self.rois = call.rois
        self.stage = stage
        self.own = Boxes(call.cls_score, call.bbox_pred)
        self._head = box_head(link.student_head, stage)
        self._teacher_head = box_head(link.teacher.model.roi_head, stage)
        self._deltas = link.delta_map(stage)
        if self._head.reg_class_agnostic != self._teacher_head.reg_class_agnostic:
            each = [f'reg_class_agnostic={h.reg_class_agnostic}' for h in (self._head, self._teacher_head)]
            raise ValueError(
                f'The box head of the student has {each[0]}, that of the teacher {each[1]}: their deltas of all '
                'classes cannot be compared. Set the same in both bbox_head, or use another loss.'
            )
        require_class_columns('student', call.cls_score, self._head)
        with torch.no_grad():
            self.target = self.teacher(teacher)

    def student(self, maps: Maps) -> Boxes:
        """The student's head on maps in the student's space; running statistics of its norms do not change."""
        roi_head = self.link.student_head
        # Norms in eval mode (norm_eval, frozen) use their running statistics, as in the student's own loss.
        with batch_statistics(norm for norm in batch_norms(roi_head) if norm.training):
            return Boxes(*_asked(roi_head, self.stage, maps, self.rois))

    def teacher(self, maps: Maps) -> Boxes:
        """The teacher's head on maps in the teacher's space; the gradient passes through it to the maps."""
        with self.link.teacher.answering(self.rois.device.type):
            cls_score, deltas = map(wide, _asked(self.link.teacher.model.roi_head, self.stage, maps, self.rois))
        classes = self.link.classes
        require_class_columns('teacher', cls_score, self._teacher_head)
        if self._head.reg_class_agnostic:
            return Boxes(classes(cls_score), self._deltas(deltas))
        of_class = deltas.unflatten(1, (-1, 4))
        if not classes.identity:
            of_class = of_class[:, classes.columns_on(deltas.device)[:-1]]
        return Boxes(classes(cls_score), self._deltas(of_class).flatten(1))


def box_heads(link: RoITeacher, calls: Sequence[RoIs], teacher: Maps, strides: Sequence[int]) -> list[BoxHeads]:
    """The heads on the RoIs of each call of a step.

    Args:
        link: The teacher, wired to the student.
        calls: The recorded calls of the student's head.
        teacher: The teacher's maps, level by level.
        strides: Strides of these levels, and of the maps on which the heads will run.

    Raises:
        ValueError: These are not the levels that the heads use; see also `BoxHeads`.
    """
    for whose, roi_head in (('student', link.student_head), ('teacher', link.teacher.model.roi_head)):
        extractor = roi_head.bbox_roi_extractor
        looked_at = list((extractor[0] if isinstance(extractor, nn.ModuleList) else extractor).featmap_strides)
        if list(strides[: len(looked_at)]) != looked_at:
            raise ValueError(
                f'The box head of the {whose} uses levels of stride {", ".join(map(str, looked_at))}, but the term '
                f"compares those of {', '.join(map(str, strides))}. Write levels='all' in the term, on the tap "
                "'neck', and use a student and a teacher whose necks have the same strides."
            )
    return [BoxHeads(link, call, stage, teacher) for stage, call in enumerate(calls)]


def _asked(roi_head: nn.Module, stage: int, maps: Maps, rois: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and deltas of the head of a stage, or of the last head if there are fewer stages."""
    if isinstance(roi_head.bbox_head, nn.ModuleList):
        said = roi_head._bbox_forward(min(stage, len(roi_head.bbox_head) - 1), maps, rois)
    else:
        said = roi_head._bbox_forward(maps, rois)
    return said['cls_score'], said['bbox_pred']
