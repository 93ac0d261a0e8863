"""Teacher class columns in the student's order, by name."""

from collections.abc import Sequence

import torch
from torch import Tensor


class ClassMap:
    """Gathers the teacher's class columns in the student's order; the background, where there is one, stays last.

    Args:
        teacher: The teacher's class names, or None where its checkpoint and config give none. Inside a Runner
            they must be known.
        student: The student's class names, or None outside a Runner.
        num_teacher: Classes of the teacher's head, without background.
        num_student: Classes of the student's head, without background.
        background: Whether logits have a column for it; sigmoid heads have none.
        trainable: Whether the teacher is a peer, whose head can be of any size.
        by_place: Whether a teacher without names is taken to have the student's order, as datasets of a fixed one give
            it.

    Raises:
        ValueError: A student class the teacher does not know, names that do not fit a head, or different
            numbers of classes without names. Both lists are in the message.
    """

    def __init__(
        self,
        teacher: Sequence[str] | None,
        student: Sequence[str] | None,
        num_teacher: int,
        num_student: int,
        background: bool = True,
        trainable: bool = False,
        by_place: bool = False,
    ) -> None:
        for whose, names, number in (('teacher', teacher, num_teacher), ('student', student, num_student)):
            if names is not None and len(names) != number:
                raise ValueError(
                    f'The {whose} names {len(names)} classes, its head has {number}: {_listed(names)}. '
                    f'Change num_classes of its head or network, or the names '
                    f'({"teacher.classes" if whose == "teacher" else "metainfo of the dataset"}).'
                )
        self.named = teacher is not None and student is not None
        if self.named and tuple(teacher) == tuple(student):
            columns = list(range(num_teacher + 1))
        elif self.named:
            if twice := sorted({name for name in student if tuple(teacher).count(name) > 1}):
                raise ValueError(
                    f'Several classes of the teacher have the same name, {", ".join(twice)}, and its classes are not '
                    "the student's in the same order: they cannot be matched. Give names that differ: "
                    'teacher=dict(config=..., classes=[...]).'
                )
            missing = [name for name in student if name not in teacher]
            if missing:
                raise ValueError(
                    f"The teacher does not know {len(missing)} of the student's classes: {_listed(missing)}.\n"
                    f'  teacher ({num_teacher}): {_listed(teacher)}\n  student ({num_student}): {_listed(student)}\n'
                    'Use a teacher trained on these classes. If the same classes only have other names, give '
                    "the teacher's in the student's spelling: teacher=dict(config=..., classes=[...])."
                )
            columns = [*(tuple(teacher).index(name) for name in student), num_teacher]
        elif num_teacher != num_student or not (student is None or by_place):
            raise ValueError(
                f'The teacher has {num_teacher} classes, the student {num_student}, and they cannot be matched by '
                f'name:\n  teacher: {_listed(teacher)}\n  student: {_listed(student)}\n'
                + _advice(teacher, student, num_teacher, num_student, trainable)
            )
        else:
            columns = list(range(num_teacher + 1))
        self.identity = columns == list(range(num_teacher + 1))
        self.columns = torch.tensor(columns)
        self.num_columns = num_student + background

    def __call__(self, logits: Tensor) -> Tensor:
        """Reorder (..., C_teacher + 1) into (..., C_student + 1); the same tensor where the order is the same.

        Without background both are one less.
        """
        if self.identity:
            return logits
        # Class by class, so that the layout in memory is kept.
        columns = self.columns_on(logits.device)[: self.num_columns]
        return logits.movedim(-1, 0).index_select(0, columns).movedim(0, -1) if logits.dim() > 2 else logits[:, columns]

    def teacher_labels(self, labels: Tensor) -> Tensor:
        """The student's class indices (K,) as the teacher counts them."""
        return labels if self.identity else self.columns_on(labels.device)[labels]

    def columns_on(self, device: torch.device) -> Tensor:
        """The gathered columns (C_student + 1,), kept on the device that asked last."""
        self.columns = self.columns.to(device)
        return self.columns

    def describe(self) -> str:
        """What the map does, for the log."""
        if not self.named:
            return 'matched by position, since their names are unknown'
        return 'the same' if self.identity else f'{len(self.columns) - 1} gathered by name'


def _advice(
    teacher: Sequence[str] | None, student: Sequence[str] | None, num_teacher: int, num_student: int, trainable: bool
) -> str:
    if trainable:
        return f"Set num_classes={num_student} in the peer's config."
    ways = [
        "the teacher's, all in the order of its logits, by teacher=dict(config=..., classes=[...])",
        "the student's by metainfo=dict(classes=...) of the training set",
    ]
    names = (
        f'Give the names: {" and ".join(way for way, has in zip(ways, (teacher, student), strict=True) if not has)}.'
    )
    if num_teacher == num_student:
        return names
    return (
        f'Use a teacher of these {num_student} classes (config and checkpoint of model.teacher). If it knows them '
        f'among others: {names}'
    )


def _listed(names: Sequence[str] | None) -> str:
    return 'unknown' if names is None else ', '.join(names)
