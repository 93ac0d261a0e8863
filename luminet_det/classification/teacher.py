"""ClassifierTeacher: a teacher wired to a student classifier."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress

import torch
from torch import Tensor, nn

from luminet_det.classification.models import Outputs
from luminet_det.classification.network import num_logits
from luminet_det.classification.segments import Networks, Segments
from luminet_det.distillation import Teacher
from luminet_det.distillation.classes import ClassMap
from luminet_det.distillation.pixels import PixelMap

MAPS = ('features', 'before_relu', 'boundaries')  # the parts of `Outputs` that are tuples of maps


class ClassifierTeacher:
    """Gives the teacher's outputs on a student's images, with the classes in the student's order.

    Args:
        teacher: A built teacher.
        student: The student classifier.
        classes: Names of the student's classes; None outside a Runner.
        compares_classes: Whether a term needs the teacher's logits. If not, the teacher's classes may differ.

    Attributes:
        classes: Maps the teacher's classes to the student's; None where they differ.

    Raises:
        ValueError: Teacher and student differ in their classes, and a term compares them.
    """

    classes: ClassMap | None = None

    def __init__(
        self, teacher: Teacher, student: nn.Module, classes: Sequence[str] | None, compares_classes: bool = True
    ) -> None:
        self.teacher = teacher
        self.student_network = student.network
        self.pixels = PixelMap(student.data_preprocessor, teacher.model.data_preprocessor, padded=False)
        # Here and not in a step, which may be compiled: torch.compile would keep the copies as its own.
        device = next(student.parameters()).device
        self.pixels.to(device)
        with nullcontext() if compares_classes else suppress(ValueError):
            self.classes = ClassMap(
                teacher.classes,
                classes,
                num_teacher=num_logits(teacher.model.network),
                num_student=num_logits(student.network),
                background=False,
                trainable=teacher.trainable,
                # Other projects' checkpoints name no classes; the datasets' class orders are fixed, so indices suffice.
                by_place=True,
            )
            self.classes.columns_on(device)

    def answer(self, inputs: Tensor, wanted: Iterable[str]) -> Outputs:
        """The teacher's outputs for images (B, 3, H, W), normalised for the student.

        Args:
            inputs: The images.
            wanted: The parts of `Outputs` to fill. The logits always are; if the classes differ, they are the
                teacher's, not mapped.
        """
        inputs = self.pixels(inputs, ())
        parts = inputs.split(self.teacher.batch_size or len(inputs))
        said = [self.teacher.run(lambda model, images: _wanted(model.outputs(images), wanted), part) for part in parts]
        joined = {k: tuple(map(torch.cat, zip(*(part[k] for part in said), strict=True))) for k in said[0]}
        (logits,), embedding = joined['logits'], joined['embedding']
        maps = joined['features'], joined['before_relu']
        logits = self.classes(logits) if self.classes else logits
        return Outputs(logits, *maps, embedding[0] if embedding else None, joined['boundaries'])

    @property
    def networks(self) -> Networks:
        """Student and teacher as networks that can be run stage by stage."""
        teacher = Segments(self.teacher.model.network, self.teacher, self.classes)
        return Networks(Segments(self.student_network), teacher)

    def learn(self, inputs: Tensor) -> Tensor:
        """The logits (B, C) of a peer, which trains too: with gradient, in the student's class order."""
        return self.classes(self.teacher.model.outputs(self.pixels(inputs, ())).logits)

    def describe(self) -> list[str]:
        """Lines for the log: how pixels and classes are mapped."""
        classes = self.classes.describe() if self.classes else "not the student's, and no term compares them"
        return [f'pixels   {self.pixels.describe()}', f'classes  {classes}']


def _wanted(outputs: Outputs, wanted: Iterable[str]) -> dict[str, tuple[Tensor, ...]]:
    """The logits and the wanted parts; the rest is freed."""
    embedding = getattr(outputs, 'embedding', None)
    return dict(
        logits=(outputs.logits,),
        **{name: tuple(getattr(outputs, name, ()) or ()) if name in wanted else () for name in MAPS},
        embedding=(embedding,) if 'embedding' in wanted and embedding is not None else (),
    )
