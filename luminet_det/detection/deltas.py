"""Box deltas of the teacher in the student's encoding."""

import torch
from torch import Tensor, nn


class DeltaMap:
    """Maps deltas between two heads whose coders have other means and deviations.

    A coder stores d = (raw - mean) / std, so the student would have stored
    (d_teacher * std_teacher + mean_teacher - mean_student) / std_student. The stages of a cascade differ in this way.

    Args:
        teacher: The teacher's box head.
        student: The student's.

    Raises:
        ValueError: A coder has no means and deviations (it does not encode deltas).
    """

    def __init__(self, teacher: nn.Module, student: nn.Module) -> None:
        for whose, head in (('teacher', teacher), ('student', student)):
            if not hasattr(head.bbox_coder, 'stds'):
                raise ValueError(
                    f"The {whose}'s bbox_coder {type(head.bbox_coder).__name__} does not encode deltas; the tap "
                    "'roi_reg' needs DeltaXYWHBBoxCoder in both heads."
                )
        coders = [(tuple(head.bbox_coder.means), tuple(head.bbox_coder.stds)) for head in (teacher, student)]
        self.identity = coders[0] == coders[1]
        (teacher_mean, teacher_std), (student_mean, student_std) = (map(torch.tensor, coder) for coder in coders)
        self.scale, self.shift = teacher_std / student_std, (teacher_mean - student_mean) / student_std

    def __call__(self, deltas: Tensor) -> Tensor:
        """Map (K, 4); the same tensor where the coders agree."""
        if self.identity:
            return deltas
        self.scale, self.shift = self.scale.to(deltas), self.shift.to(deltas)
        return deltas * self.scale + self.shift
