"""DenseTeacher: a single-stage teacher that gives logits at the student's priors."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from luminet_det.detection.answers import HeadAnswer
from luminet_det.detection.dense_taps import DenseRows, flattened
from luminet_det.detection.detector_teacher import DetectorTeacher, wide
from luminet_det.distillation.classes import ClassMap
from luminet_det.distillation.teacher import Teacher


class DenseTeacher(DetectorTeacher):
    """Runs a teacher's backbone, neck and dense head, without targets and losses.

    Args:
        teacher: A built teacher.
        student: The single-stage student.
        student_classes: Class names of the student's training set, None where unknown.

    Raises:
        ValueError: Classes cannot be matched, the priors differ, or only one of the heads has a background column.
    """

    def __init__(self, teacher: Teacher, student: nn.Module, student_classes: Sequence[str] | None) -> None:
        super().__init__(teacher, student)
        require_same_priors(self.head, student.bbox_head)
        self.classes = ClassMap(
            teacher.classes,
            student_classes,
            self.head.num_classes,
            student.bbox_head.num_classes,
            background=not student.bbox_head.use_sigmoid_cls,
        )

    @property
    def head(self) -> nn.Module:
        """The teacher's dense head; only the teacher holds it."""
        return self.teacher.model.bbox_head

    def answer_head(
        self, calls: Sequence[DenseRows], features: tuple[Tensor, ...], taps: Iterable[str]
    ) -> list[HeadAnswer]:
        with self.teacher.answering(features[0].device.type):
            levels = self.head(features)[0]
        sizes = calls[0].sizes if calls else None
        return [HeadAnswer(self.classes(wide(flattened(levels, self.head.cls_out_channels, sizes))))]


def require_same_priors(teacher: nn.Module, student: nn.Module) -> None:
    """Raise ValueError unless both heads have the same anchors or points, strides and kind of class logits.

    Args:
        teacher: The teacher's dense head.
        student: The student's.
    """
    facts = [_facts(head) for head in (student, teacher)]
    if facts[0] == facts[1]:
        priors = [_priors(head) for head in (student, teacher)]
        if all(torch.allclose(ours, theirs) for ours, theirs in zip(*priors, strict=True)):
            return
        facts = [f'{fact}, first {_first(prior)}' for fact, prior in zip(facts, priors, strict=True)]
    raise ValueError(
        f"The tap 'dense_cls' compares the logits of the same priors, but the heads differ:\n"
        f'  student: {type(student).__name__}, {facts[0]}\n  teacher: {type(teacher).__name__}, {facts[1]}\n'
        'Give both bbox_heads the same prior_generator and kind of loss_cls, or use the tap neck, which needs no head.'
    )


def _facts(head: nn.Module) -> str:
    generator = head.prior_generator
    strides = ', '.join(str(stride[0]) for stride in generator.strides)
    counts = list(dict.fromkeys(generator.num_base_priors))
    counts = ', '.join(map(str, counts if len(counts) == 1 else generator.num_base_priors))
    kind = 'sigmoid' if head.use_sigmoid_cls else 'softmax with background'
    return f'{len(generator.strides)} levels of stride {strides}, {counts} priors per position, {kind}'


def _priors(head: nn.Module) -> list[Tensor]:
    sizes = [(2, 2)] * len(head.prior_generator.strides)
    priors = head.prior_generator.grid_priors(sizes, device='cpu')
    return priors if priors[0].shape[1] == 4 else [torch.cat([points, points], dim=1) for points in priors]


def _first(priors: list[Tensor]) -> str:
    return '(' + ', '.join(f'{value:g}' for value in priors[0][0]) + ')'
