"""DistillTwoStageDetector: a two-stage detector that listens to a frozen one on its own RoIs."""

import inspect

import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.structures import SampleList
from torch import Tensor

from luminet_det.detection.roi_taps import RoIs, recorded
from luminet_det.detection.roi_teacher import RoIAnswer, RoITeacher, require_two_stage
from luminet_det.distillation.settings import check_keys
from luminet_det.distillation.student import Student, run_info
from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.terms import Term
from luminet_det.registry import MODELS


@MODELS.register_module()
class DistillTwoStageDetector(Student, TwoStageDetector):
    """A Faster, Mask or Cascade R-CNN that trains beside a frozen teacher.

    It is the student: config, `state_dict` and inference are those of mmdet's detector, and mmdet's own
    `loss` runs untouched. In training the teacher's backbone, neck and box head run, without gradient, on the
    RoIs that the student has sampled, and each term of `distill` compares the two.

    Taps:
        roi_cls: Class logits (K, C + 1), background last, with the RoIs' labels; `rois='all'`, `'foreground'`
            or `'balanced'` (the foreground and as much background).
        roi_reg: Box deltas (K, 4) of the assigned class on the foreground RoIs, in the student's encoding.

    Args:
        *args: As `mmdet.models.detectors.TwoStageDetector`.
        teacher: See `luminet_det.distillation.Teacher`; a list is an ensemble whose outputs are averaged.
        distill: Terms, e.g. `[dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss'))]`.
        **kwargs: As `mmdet.models.detectors.TwoStageDetector`.

    Raises:
        ValueError: A setting is unknown, or student or teacher are no two-stage detector.
    """

    taps = {'roi_cls': {'rois': ('all', 'foreground', 'balanced')}, 'roi_reg': {'rois': ('foreground',)}}

    def __init__(self, *args, teacher=None, distill=(), **kwargs) -> None:
        if 'bbox_head' in kwargs:
            require_two_stage(None, 'student')
        check_keys('model', kwargs, [*inspect.signature(TwoStageDetector).parameters, 'teacher', 'distill'])
        super().__init__(*args, **kwargs)
        require_two_stage(self, 'student')
        self.listen(teacher, distill)
        for term in self.terms:
            if term.tap == 'roi_reg' and term.takes_target:
                raise ValueError(
                    f"{type(term.loss).__name__} compares class logits; the tap 'roi_reg' gives box deltas (K, 4). "
                    "Use a regression loss, e.g. loss=dict(type='mmdet.L1Loss')."
                )

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict:
        """Losses of the student and of every term.

        Args:
            batch_inputs: (N, 3, H, W), normalised for the student.
            batch_data_samples: N samples with ground truth.

        Returns:
            mmdet's losses, what `heed` adds for each term, and `agreement`: the part of the RoIs to which student
            and teacher give the same class.
        """
        active = self.active_terms()
        if not active:
            self.guard.check()
            losses = super().loss(batch_inputs, batch_data_samples)
            return {**losses, **self.heed([], losses)}
        self.start()
        with recorded(self.roi_head) as calls:
            losses = super().loss(batch_inputs, batch_data_samples)
        if not calls:
            raise RuntimeError(
                f'{type(self.roi_head).__name__}.loss did not call bbox_loss, where RoIs and logits are caught; '
                'this version of mmdet has moved it.'
            )
        answers = self.ask(calls, batch_inputs, batch_data_samples)
        on_logits = [name for name, term, _ in active if term.tap == 'roi_cls']
        logits = [self.gradients.watch(call.cls_score, on_logits) for call in calls]
        heard = [
            (name, term, weight, _rows(term, calls, answers, [views.get(name) for views in logits]))
            for name, term, weight in active
        ]
        return {**losses, **self.heed(heard, losses), 'agreement': _agreement(calls, answers)}

    def accept(self, teacher: torch.nn.Module) -> None:
        """Only a two-stage detector can be asked about given RoIs."""
        require_two_stage(teacher, 'teacher')

    def meet(self, teacher: Teacher) -> RoITeacher:
        """Map pixels, classes and box deltas between this student and a built teacher."""
        student_classes = run_info('dataset_meta', {}).get('classes')
        return RoITeacher(teacher, self, student_classes)

    @torch.no_grad()
    def ask(self, calls: list[RoIs], inputs: Tensor, samples: SampleList) -> list[RoIAnswer]:
        """What the teachers, on average, say of the RoIs of each call."""
        shapes = [tuple(sample.get('img_shape', inputs.shape[-2:])[:2]) for sample in samples]
        paths = [sample.get('img_path', f'image {i} of the batch') for i, sample in enumerate(samples)]
        wants_boxes = any(term.tap == 'roi_reg' for term in self.terms)
        by_teacher = [link.answer(calls, inputs, shapes, wants_boxes) for link in self.links]
        answers = [RoIAnswer.mean(of_call) for of_call in zip(*by_teacher, strict=True)]
        for call, answer in zip(calls, answers, strict=True):
            images, finite = call.rois[:, 0], answer.finite_images
            answer.cls_score = self.guard.watch(answer.cls_score, images, finite, paths)
            if wants_boxes:
                images = images[call.rows('foreground')]
                answer.foreground_deltas = self.guard.watch(answer.foreground_deltas, images, finite, paths)
        return answers


def _rows(term: Term, calls: list[RoIs], answers: list[RoIAnswer], logits: list[Tensor]) -> list[tuple]:
    """(student, teacher, target) of a term, for each call of the student's box head."""
    triples = zip(calls, answers, logits, strict=True)
    if term.tap == 'roi_reg':
        return [(call.foreground_deltas(), answer.foreground_deltas, None) for call, answer, _ in triples]
    picked = [(call.rows(term.options['rois']), call, answer, student) for call, answer, student in triples]
    return [(student[rows], answer.cls_score[rows], call.labels[rows]) for rows, call, answer, student in picked]


def _agreement(calls: list[RoIs], answers: list[RoIAnswer]) -> Tensor:
    """Part of the last call's RoIs, 0 to 1, to which student and teacher give the same class."""
    same = calls[-1].cls_score.detach().argmax(1) == answers[-1].cls_score.argmax(1)
    return same.sum() / max(len(same), 1)
