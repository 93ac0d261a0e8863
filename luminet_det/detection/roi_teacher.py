"""RoITeacher: a teacher wired to a two-stage student, whose box head runs on the student's RoIs."""

import inspect
from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from luminet_det.detection.answers import HeadAnswer
from luminet_det.detection.deltas import DeltaMap
from luminet_det.detection.detector_teacher import DetectorTeacher, wide
from luminet_det.detection.kinds import compares_classes, require_class_columns, require_same_activation
from luminet_det.detection.roi_taps import RoIs, assigned_deltas, box_head
from luminet_det.distillation.classes import ClassMap
from luminet_det.distillation.teacher import Teacher


class RoITeacher(DetectorTeacher):
    """Runs a teacher's backbone, neck and box head on given RoIs, without RPN, sampling and losses.

    Of a cascade, the head of the same stage is used, or the last one if it has fewer stages. So a Faster R-CNN
    student learns from a cascade's first stage, whose RoIs come from an RPN like its own.

    Args:
        teacher: A built teacher.
        student: The two-stage student.
        student_classes: Class names of the student's training set, None where unknown.
        keeps_size: See `PixelMap`; not needed if terms compare only RoIs.

    Raises:
        ValueError: Classes, box encodings or the kinds of logits (sigmoid or softmax) cannot be matched.
    """

    def __init__(
        self, teacher: Teacher, student: nn.Module, student_classes: Sequence[str] | None, keeps_size: bool = False
    ) -> None:
        super().__init__(teacher, student, keeps_size)
        if any(map(compares_classes, student.terms)):
            require_same_activation(box_head(student.roi_head), box_head(teacher.model.roi_head))
        self.student_head = student.roi_head
        self.classes = ClassMap(
            teacher.classes,
            student_classes,
            box_head(teacher.model.roi_head).num_classes,
            box_head(student.roi_head).num_classes,
            trainable=teacher.trainable,
        )
        self._delta_maps: dict[int, DeltaMap] = {}

    def split(self, calls: list[RoIs], sizes: Sequence[int]) -> Iterable[tuple[RoIs, ...]]:
        return zip(*(call.split(sizes) for call in calls), strict=True) if calls else super().split(calls, sizes)

    def answer_head(self, calls: Sequence[RoIs], features: tuple[Tensor, ...], taps: Iterable[str]) -> list[HeadAnswer]:
        # RoI features outgrow the maps they are cut from, so the box head takes half as many images.
        parts = 1 if self.teacher.batch_statistics else 2
        sizes = [len(part) for part in features[0].tensor_split(parts) if len(part)]
        levels_of_parts = zip(*(level.split(sizes) for level in features), strict=True)
        answers = [
            [self.answer_call(stage, call, levels, taps) for stage, call in enumerate(of_part)]
            for of_part, levels in zip(self.split(calls, sizes), levels_of_parts, strict=True)
        ]
        return [HeadAnswer.cat(of_call) for of_call in zip(*answers, strict=True)]

    def answer_call(
        self, stage: int, call: RoIs, features: tuple[Tensor, ...], taps: Iterable[str] = ('roi_cls',)
    ) -> HeadAnswer:
        """The box head's answer for some taps to the student's call of a stage, given the neck's maps of its images."""
        roi_head = self.teacher.model.roi_head
        with self.teacher.answering(call.rois.device.type):
            if isinstance(roi_head.bbox_head, nn.ModuleList):
                results = roi_head._bbox_forward(min(stage, len(roi_head.bbox_head) - 1), features, call.rois)
            else:
                results = roi_head._bbox_forward(features, call.rois)
        answer = HeadAnswer()
        if 'roi_cls' in taps:
            cls_score = wide(results['cls_score'])
            require_class_columns('teacher', cls_score, box_head(roi_head, stage))
            require_class_columns('student', call.cls_score, box_head(self.student_head, stage))
            answer.cls_score = self.classes(cls_score)
        if 'roi_reg' in taps:
            self._require_deltas('teacher', results.get('bbox_pred'), box_head(roi_head, stage))
            self._require_deltas('student', call.bbox_pred, box_head(self.student_head, stage))
            rows = call.rows('foreground')
            deltas = assigned_deltas(wide(results['bbox_pred'])[rows], self.classes.teacher_labels(call.labels[rows]))
            answer.foreground_deltas = self.delta_map(stage)(deltas)
        return answer

    def delta_map(self, stage: int) -> DeltaMap:
        """The map from the deltas of the teacher's box head of a stage to the student's encoding."""
        if stage not in self._delta_maps:
            heads = box_head(self.teacher.model.roi_head, stage), box_head(self.student_head, stage)
            self._delta_maps[stage] = DeltaMap(*heads)
        return self._delta_maps[stage]

    @staticmethod
    def _require_deltas(whose: str, bbox_pred: object, head: nn.Module) -> None:
        if not isinstance(bbox_pred, Tensor):
            raise ValueError(
                f"The {whose}'s {type(head).__name__} gives no box deltas, which the tap 'roi_reg' compares; remove "
                "that term. The taps 'roi_cls' and 'neck' need none."
            )


def require_two_stage(model: nn.Module | None, whose: str) -> None:
    """Raise ValueError unless `model` has a box head that can run on given RoIs."""
    roi_head = getattr(model, 'roi_head', None)
    ask = getattr(roi_head, '_bbox_forward', None)
    needs = set(inspect.signature(ask).parameters) - {'stage', 'x', 'rois'} if ask else {'a RoI head'}
    if needs or not hasattr(roi_head, 'bbox_loss'):
        kind = 'a single-stage detector' if roi_head is None else f'a detector with {type(roi_head).__name__}'
        alone = whose == 'student' and roi_head is None
        other = "type='luminet_det.DistillSingleStageDetector'" if alone else "the tap 'neck'"
        raise ValueError(
            f'The {whose} is {kind}. The taps of RoIs compare box heads on the same RoIs, so both must be two-stage '
            f'detectors such as Faster R-CNN, Mask R-CNN or Cascade R-CNN. Use such a {whose}, or {other}.'
        )
