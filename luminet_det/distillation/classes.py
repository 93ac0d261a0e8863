"""Teacher class columns in the student's order, by name."""

from collections.abc import Sequence

import torch
from torch import Tensor


class ClassMap:
    """Gathers the teacher's class columns in the student's order; the background, where there is one, stays last.

    Args:
        teacher: The teacher's class names, or None if neither its checkpoint nor its config names them. Inside a
            Runner they must be known, except with `by_place`.
        student: The student's class names, or None outside a Runner.
        num_teacher: Classes of the teacher's head, without background.
        num_student: Classes of the student's head, without background.
        background: Whether the logits have a background column; those of dense sigmoid heads have none.
        trainable: Whether the teacher is a peer, whose num_classes can be changed; the error message then says so.
        by_place: Whether a teacher without class names is assumed to have the student's order of classes, as with
            datasets whose order is fixed.

    Raises:
        ValueError: The teacher lacks a class of the student, the names do not fit a head, or there are no names and the
            numbers of classes differ. The message has both lists.
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
                    f'The {whose} names {len(names)} classes, but its head has {number}: {_listed(names)}. '
                    f'Change num_classes of its head or network, or the names '
                    f'({"teacher.classes" if whose == "teacher" else "metainfo of the dataset"}).'
                )
        self.named = teacher is not None and student is not None
        if self.named and tuple(teacher) == tuple(student):
            columns = list(range(num_teacher + 1))
        elif self.named:
            if twice := sorted({name for name in student if tuple(teacher).count(name) > 1}):
                raise ValueError(
                    f'Several classes of the teacher have the same name, {", ".join(twice)}, so they cannot be matched '
                    "with the student's, which are others or in another order. Give each class a name of its own: "
                    'teacher=dict(config=..., classes=[...]).'
                )
            missing = [name for name in student if name not in teacher]
            if missing:
                raise ValueError(
                    f"The teacher does not know {len(missing)} of the student's classes: {_listed(missing)}.\n"
                    f'  teacher ({num_teacher}): {_listed(teacher)}\n  student ({num_student}): {_listed(student)}\n'
                    'Use a teacher trained on these classes. If only the names differ, give the names of the '
                    "teacher's classes in the student's spelling: teacher=dict(config=..., classes=[...])."
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

        Without a background column, both have one column less.
        """
        if self.identity:
            return logits
        # Class by class, so that the layout in memory is kept.
        columns = self.columns_on(logits.device)[: self.num_columns]
        return logits.movedim(-1, 0).index_select(0, columns).movedim(0, -1) if logits.dim() > 2 else logits[:, columns]

    def teacher_labels(self, labels: Tensor) -> Tensor:
        """The teacher's class indices (K,) for the student's."""
        return labels if self.identity else self.columns_on(labels.device)[labels]

    def columns_on(self, device: torch.device) -> Tensor:
        """The indices of the gathered columns (C_student + 1,); they stay on the device that was last used."""
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
        "the teacher's, all in the order of its logits, in teacher=dict(config=..., classes=[...])",
        "the student's in metainfo=dict(classes=...) of the training set",
    ]
    names = (
        f'Give the names: {" and ".join(way for way, has in zip(ways, (teacher, student), strict=True) if not has)}.'
    )
    if num_teacher == num_student:
        return names
    return (
        f'Use a teacher with these {num_student} classes (config and checkpoint of model.teacher). If this one has '
        f'them among others: {names}'
    )


def _listed(names: Sequence[str] | None) -> str:
    return 'unknown' if names is None else ', '.join(names)
