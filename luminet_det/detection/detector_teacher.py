"""DetectorTeacher: a teacher wired to a student detector."""

from collections.abc import Iterable, Sequence
from functools import partial

from torch import Tensor, nn

from luminet_det.backbones import explain_neck
from luminet_det.detection.answers import Answer, HeadAnswer
from luminet_det.detection.feature_taps import FEATURE_TAPS, Levels, feature_maps, paired, strides
from luminet_det.detection.pixels_in_pipeline import NORMALISED, require_raw
from luminet_det.distillation.classes import ClassMap
from luminet_det.distillation.pixels import PixelMap
from luminet_det.distillation.running import run_info
from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.terms import Term

# Images per forward pass, unless the teacher's setting says otherwise.
BATCH_SIZE = 4


class DetectorTeacher:
    """Runs a teacher's backbone and neck on a batch, a part at a time, for the feature taps.

    A subclass also runs the head: it splits the student's calls by images, and answers them.

    Args:
        teacher: A built teacher.
        student: The student detector.
        keeps_size: See `PixelMap`.

    Attributes:
        classes: Maps the teacher's classes to the student's; None if the head is not used.

    Raises:
        ValueError: The training pipeline already normalises the images, and the teacher needs another normalisation.
    """

    classes: ClassMap | None = None

    def __init__(self, teacher: Teacher, student: nn.Module, keeps_size: bool = True) -> None:
        self.teacher = teacher
        self.pixels = PixelMap(student.data_preprocessor, teacher.model.data_preprocessor, keeps_size)
        require_raw(self.pixels, run_info(NORMALISED, False))
        self._strides: dict[str, list[int]] = {}

    def answer(self, calls: list, inputs: Tensor, image_shapes: list[tuple[int, int]], taps: Iterable[str]) -> Answer:
        """The teacher's outputs for the requested taps.

        Args:
            calls: The recorded calls of the student's head; empty if the teacher's head does not need them.
            inputs: (N, 3, H, W), normalised for the student.
            image_shapes: Height and width of each image inside its padding.
            taps: Names of the taps.
        """
        at_a_time = len(inputs) if self.teacher.batch_statistics else self.teacher.batch_size or BATCH_SIZE
        images = self.pixels(inputs, image_shapes).split(at_a_time)
        calls_by_part = self.split(calls, [len(part) for part in images])
        parts = zip(images, calls_by_part, strict=True)
        return Answer.cat([self._answer_part(part, of_part, taps) for part, of_part in parts])

    def split(self, calls: list, sizes: Sequence[int]) -> Iterable:
        """The student's calls by images, `sizes` of them in each part."""
        return [calls] * len(sizes)

    def answer_head(self, calls: Sequence, features: tuple[Tensor, ...], taps: Iterable[str]) -> list[HeadAnswer]:
        """The head's answers to the calls on some images, given the neck's features of these images."""
        raise TypeError(f'{type(self).__name__} answers only for feature taps.')

    def _answer_part(self, images: Tensor, calls: Sequence, taps: Iterable[str]) -> Answer:
        """The answer on some images; features that no tap needs are freed at the end of this method."""
        with explain_neck(self.teacher.model, 'teacher'):
            maps = self.teacher.run(partial(feature_maps, taps=taps), images)
        finite = maps['neck'][-1].isfinite().flatten(1).all(1)
        heads = self.answer_head(calls, maps['neck'], taps) if set(taps) - FEATURE_TAPS.keys() else []
        wanted = {tap: maps[tap] for tap in FEATURE_TAPS.keys() & set(taps)}
        self._strides |= {tap: strides(self.teacher.model, tap, levels, images) for tap, levels in wanted.items()}
        return Answer(finite, heads, wanted)

    def pair(self, term: Term, student: tuple[Tensor, ...], student_strides: list[int], answer: Answer) -> Levels:
        """The levels of a feature tap that a term compares; see `feature_taps.paired`."""
        tap, which = term.tap, term.options['levels']
        teacher = answer.maps[tap]
        return paired(tap, which, student, teacher, student_strides, self._strides[tap], term.bridges)

    def describe(self) -> list[str]:
        """Lines for the announcement at the start of training."""
        lines = [f'pixels   {self.pixels.describe()}']
        return [*lines, f'classes  {self.classes.describe()}'] if self.classes else lines


def wide(outputs: Tensor) -> Tensor:
    """Half-precision outputs in float32: student and teacher may run in different half types."""
    return outputs.float() if outputs.dtype.itemsize < 4 else outputs
