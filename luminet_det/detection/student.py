"""DetectorStudent: the base class of the distilling detectors."""

from contextlib import AbstractContextManager, nullcontext

import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet.structures import SampleList
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor, nn

from luminet_det.backbones import check_neck, explain_neck
from luminet_det.dataset_config import common_classes
from luminet_det.detection.answers import Answer, HeadAnswer
from luminet_det.detection.detector_teacher import DetectorTeacher
from luminet_det.detection.feature_taps import (
    FEATURE_TAPS,
    Levels,
    feature_maps,
    paired,
    priors,
    recorded_maps,
    strides,
)
from luminet_det.distillation.image_channels import image_channels
from luminet_det.distillation.running import run_info
from luminet_det.distillation.student import Heard, Student
from luminet_det.distillation.teacher import EXAMPLE_SIZE, Teacher
from luminet_det.distillation.terms import Given, Term


class DetectorStudent(Student):
    """The training step of a distilling detector.

    mmdet's own `loss` runs unchanged, while the outputs of the student's head and its feature maps are recorded. The
    teachers give theirs for the taps of the active terms, without gradient, and each term compares the two.

    A subclass also inherits from an mmdet detector. It defines how the calls of its head are recorded, how a teacher is
    wired to that head, and which rows a term compares.
    """

    @property
    def head_taps(self) -> set[str]:
        """The taps of this student's terms for which teachers must have the same kind of head."""
        return {term.tap for term in self.terms if term.tap not in FEATURE_TAPS or 'heads' in term.needs}

    def listen(self, teacher, distill) -> None:
        """Like `Student.listen`, after a check that the student's neck fits its backbone."""
        check_neck(self, 'student')
        super().listen(teacher, distill)

    def accept(self, teacher: nn.Module) -> None:
        """Refuse a teacher that is not a detector, or whose neck does not fit its backbone."""
        if not isinstance(teacher, BaseDetector):
            raise ValueError(
                f'A detector learns from a detector; the teacher is a {type(teacher).__name__}. Write '
                "teacher='mmdet::faster_rcnn/...', or dict(config=..., checkpoint=...) of a detector."
            )
        check_neck(teacher, 'teacher')

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """mmdet's method, with an error that says what to write if the neck does not fit."""
        with explain_neck(self, 'student'):
            return super().extract_feat(batch_inputs)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict:
        """Losses of the student and of every term.

        Args:
            batch_inputs: (N, 3, H, W), normalised for the student.
            batch_data_samples: N samples with ground truth.

        Returns:
            mmdet's losses, what `heed` adds for each term and, where class logits are compared, `agreement`: the share
            of rows (all RoIs, or a dense head's foreground) to which student and teacher give the same class.
        """
        active = self.active_terms()
        if self.is_mutual:
            return self.mutual_loss(batch_inputs, batch_data_samples, active)
        if not active:
            self.guard.check()
            losses = super().loss(batch_inputs, batch_data_samples)
            return {**losses, **self.heed([], losses)}
        self.start()
        taps = {term.tap for _, term, _ in active}
        asks_head = bool(taps - FEATURE_TAPS.keys())
        # Before the student's activations fill the memory, unless the teachers need the student's RoIs or priors.
        early = not asks_head or self.asks_early()
        records_head = asks_head or any('heads' in term.needs for _, term, _ in active)
        answers = self.ask([], batch_inputs, batch_data_samples, taps) if early else []
        with (
            self.recorded_head() if records_head else nullcontext([]) as calls,
            recorded_maps(self, taps) as maps,
        ):
            losses = super().loss(batch_inputs, batch_data_samples)
        if records_head and not calls:
            raise RuntimeError(
                f'{type(self).__name__} saw no call of the head whose logits its terms compare; this version of '
                'mmdet must have moved it.'
            )
        answers = answers or self.ask(calls, batch_inputs, batch_data_samples, taps)
        self.check(answers, calls if asks_head else [], batch_data_samples)
        head = [HeadAnswer.mean(of_call) for of_call in zip(*(answer.calls for answer in answers), strict=True)]
        on_logits = [name for name, term, _ in active if self.taps[term.tap].gives == 'logits']
        logits = [call.watched(self.gradients, on_logits) for call in calls]
        level_strides = {tap: strides(self, tap, levels, batch_inputs) for tap, levels in maps.items()}
        heard = []
        for name, term, weight in active:
            if term.tap in FEATURE_TAPS:
                own = maps[term.tap], level_strides[term.tap]
                pairs = [(link, link.pair(term, *own, said)) for link, said in zip(self.links, answers, strict=True)]
                compared = [
                    (both.student, both.teacher, self.handed(term, both, link, calls, batch_inputs, batch_data_samples))
                    for link, both in pairs
                ]
            else:
                triples = self.head_rows(term, calls, head, [views.get(name) for views in logits])
                compared = [(own, theirs, {'target': t, 'epoch': run_info('epoch', 0)}) for own, theirs, t in triples]
            heard.append(Heard(name, term, weight, compared))
        compares_classes = bool(head) and head[0].cls_score is not None
        agreement = dict(agreement=self.agreement(calls, head)) if compares_classes else {}
        return {**losses, **self.heed(heard, losses), **agreement}

    def mutual_loss(self, inputs: Tensor, samples: SampleList, active: list[tuple[str, Term, float]]) -> dict:
        """Like `loss`, for teachers that are peers and train too."""
        raise ValueError(
            f'{type(self).__name__} cannot learn together with peers (trainable=True); two-stage detectors and '
            'classifiers can. Use frozen teachers: remove trainable=True.'
        )

    def example(self, term: Term, teacher: nn.Module) -> tuple[Given, Given]:
        """What the term's tap gives for one black image with the student's number of channels."""
        if term.tap not in FEATURE_TAPS:
            return self.example_rows(term)
        image = next(self.parameters()).new_zeros(1, image_channels(self.backbone), EXAMPLE_SIZE, EXAMPLE_SIZE)
        maps = []
        for model, whose in ((self, 'student'), (teacher, 'teacher')):
            with explain_neck(model, whose):
                maps.append(feature_maps(model, image, (term.tap,))[term.tap])
        of_stride = [strides(model, term.tap, m, image) for model, m in zip((self, teacher), maps, strict=True)]
        levels = paired(term.tap, term.options['levels'], *maps, *of_stride, term.bridges)
        if term.takes_levels:
            return levels.student, levels.teacher
        return levels.student[0], levels.teacher[0]

    def example_rows(self, term: Term) -> tuple[Tensor, Tensor]:
        """One example row of student and teacher on a tap of the head."""
        raise TypeError(f'{type(self).__name__} has no head to compare.')

    def handed(
        self, term: Term, levels: Levels, link: DetectorTeacher, calls: list, inputs: Tensor, samples: SampleList
    ) -> dict:
        """The additional inputs that a feature tap gives to a term's loss, by their names in `taps.NEEDS`."""
        handed: dict = {
            'epoch': run_info('epoch', 0),
            'image_size': tuple(inputs.shape[-2:]),
            'strides': levels.strides,
        }
        if 'boxes' in term.needs:
            boxes = (get_box_tensor(sample.gt_instances.bboxes) for sample in samples)
            handed['boxes'] = [of_image.to(inputs.device, torch.float32) for of_image in boxes]
        if 'priors' in term.needs:
            handed['priors'] = priors(self, levels)
        if 'heads' in term.needs:
            handed['heads'] = self.heads(link, calls, levels)
        return handed

    def heads(self, link: DetectorTeacher, calls: list, levels: Levels) -> list:
        """The heads of student and teacher for each call of the student's head, to be run on other maps."""
        raise TypeError(f'{type(self).__name__} has no box head to run.')

    def recorded_head(self) -> AbstractContextManager[list]:
        """A context in which every call of the head adds a record to a list."""
        raise TypeError(f'{type(self).__name__} has no head to record.')

    def head_rows(self, term: Term, calls: list, answers: list[HeadAnswer], logits: list) -> list[tuple]:
        """(student, teacher, target) of a term on a head tap, for each call of the student's head."""
        raise TypeError(f'{type(self).__name__} has no head to compare.')

    def agreement(self, calls: list, answers: list[HeadAnswer]) -> Tensor:
        """The share of rows, 0 to 1, to which student and teacher give the same class."""
        raise TypeError(f'{type(self).__name__} has no head to compare.')

    def student_classes(self) -> tuple[str, ...] | None:
        """Class names of the training set, None outside a Runner."""
        return common_classes(run_info('dataset_meta', {}))

    def meet(self, teacher: Teacher) -> DetectorTeacher:
        """Map pixels between this student and a built teacher; no term compares more than feature maps."""
        return DetectorTeacher(teacher, self)

    def asks_early(self) -> bool:
        """Whether the teachers' heads can run before the student's own forward pass."""
        return False

    @torch.no_grad()
    def ask(self, calls: list, inputs: Tensor, samples: SampleList, taps: set[str]) -> list[Answer]:
        """The answer of each teacher on a batch."""
        shapes = [tuple(sample.get('img_shape', inputs.shape[-2:])[:2]) for sample in samples]
        return [link.answer(calls, inputs, shapes, taps) for link in self.links]

    @torch.no_grad()
    def check(self, answers: list[Answer], calls: list, samples: SampleList) -> None:
        """Have the guard watch the answers for NaN."""
        paths = [sample.get('img_path', f'image {i} of the batch') for i, sample in enumerate(samples)]
        for answer in answers:
            finite = answer.finite_images
            for call, said in zip(calls, answer.calls, strict=True):
                if said.cls_score is not None:
                    said.cls_score = self.guard.watch(said.cls_score, call.image_index, finite, paths)
                if said.foreground_deltas is not None:
                    images = call.image_index[call.rows('foreground')]
                    said.foreground_deltas = self.guard.watch(said.foreground_deltas, images, finite, paths)
            for tap, levels in answer.maps.items():
                images = torch.arange(len(finite), device=finite.device)
                answer.maps[tap] = tuple(self.guard.watch(level, images, finite, paths) for level in levels)
