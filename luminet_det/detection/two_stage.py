"""DistillTwoStageDetector: a two-stage detector that learns from a teacher on the RoIs that it samples itself."""

import inspect
from dataclasses import replace

import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.structures import SampleList
from torch import Tensor

from luminet_det.detection.answers import HeadAnswer
from luminet_det.detection.detector_teacher import DetectorTeacher
from luminet_det.detection.feature_taps import FEATURE_TAPS, Levels
from luminet_det.detection.heads import BoxHeads, box_heads
from luminet_det.detection.kinds import (
    compares_classes,
    has_sigmoids,
    refuse_other_kinds,
    require_same_probabilities,
)
from luminet_det.detection.mutual import peer_step
from luminet_det.detection.roi_taps import RoIs, box_head, recorded
from luminet_det.detection.roi_teacher import RoITeacher, require_two_stage
from luminet_det.detection.student import DetectorStudent
from luminet_det.distillation.peers import mutual
from luminet_det.distillation.running import run_info
from luminet_det.distillation.settings import check_keys
from luminet_det.distillation.taps import Tap
from luminet_det.distillation.teacher import Teacher
from luminet_det.distillation.terms import Term
from luminet_det.registry import MODELS


@MODELS.register_module()
class DistillTwoStageDetector(DetectorStudent, TwoStageDetector):
    """A Faster, Mask or Cascade R-CNN that learns from a frozen teacher.

    It is the student: config, `state_dict` and inference are those of mmdet's detector, and mmdet's own
    `loss` runs unchanged. In training the teacher's backbone and neck run on the same images and its box head on the
    RoIs that the student has sampled, all without gradient, and each term of `distill` compares the two.

    Taps:
        roi_cls: Class logits (K, C + 1), background last, with the RoIs' labels; `rois='all'`, `'foreground'`
            or `'balanced'` (the foreground and as much background).
        roi_reg: Box deltas (K, 4) of the assigned class on the foreground RoIs, in the student's encoding.
        neck, backbone: Feature maps, a tuple of (N, C_i, H_i, W_i); `levels='all'`, `'common'` for the strides that
            both networks have, or a list such as `[0, 1, 2, 3]`, from the finest. For these the teacher may be a
            detector of any kind.

    With `teacher=dict(config=..., trainable=True)`, or a list of these, the teachers are peers: they train too, with
    their own losses on the same images and with the terms against all other networks. See
    `luminet_det.distillation.peers.Peer`.

    Args:
        *args: As for `mmdet.models.detectors.TwoStageDetector`.
        teacher: See `luminet_det.distillation.Teacher`. A list is an ensemble: logits are averaged over the teachers,
            for feature maps the losses are.
        distill: Terms, e.g. `[dict(tap='roi_cls', loss=dict(type='luminet_det.LumiNetLoss'))]`.
        **kwargs: As for `mmdet.models.detectors.TwoStageDetector`.

    Raises:
        ValueError: A setting is unknown, or student or teacher is not a two-stage detector.
    """

    taps = {
        'roi_cls': Tap('logits', {'rois': ('all', 'foreground', 'balanced')}, offers=('target', 'epoch')),
        'roi_reg': Tap('deltas', {'rois': ('foreground',)}),
        'neck': replace(FEATURE_TAPS['neck'], offers=(*FEATURE_TAPS['neck'].offers, 'heads')),
        'backbone': FEATURE_TAPS['backbone'],
    }

    def __init__(self, *args, teacher=None, distill=None, **kwargs) -> None:
        refuse_other_kinds(kwargs)
        if 'bbox_head' in kwargs:
            require_two_stage(None, 'student')
        check_keys('model', kwargs, [*inspect.signature(TwoStageDetector).parameters, 'teacher', 'distill'])
        super().__init__(*args, **kwargs)
        self.listen(teacher, distill)
        if self.head_taps:
            require_two_stage(self, 'student')
        for term in self.terms:
            if compares_classes(term):
                head = box_head(self.roi_head)
                require_same_probabilities(term, head, has_sigmoids(head))

    def accept(self, teacher: torch.nn.Module) -> None:
        """If a term compares heads, only a two-stage detector can be a teacher, as its box head runs on given RoIs."""
        super().accept(teacher)
        if self.head_taps:
            require_two_stage(teacher, 'teacher')

    def meet(self, teacher: Teacher) -> DetectorTeacher:
        """Map pixels, classes and box deltas between this student and a built teacher."""
        if not self.head_taps:
            return super().meet(teacher)
        keeps_size = any(term.tap in FEATURE_TAPS for term in self.terms)
        return RoITeacher(teacher, self, self.student_classes(), keeps_size)

    def recorded_head(self):
        """Records every call of the box head on sampled RoIs."""
        return recorded(self.roi_head)

    def head_rows(self, term: Term, calls: list[RoIs], answers: list[HeadAnswer], logits: list[Tensor]) -> list[tuple]:
        """(student, teacher, target) of a term, for each call of the student's box head."""
        triples = zip(calls, answers, logits, strict=True)
        if term.tap == 'roi_reg':
            return [(call.foreground_deltas(), answer.foreground_deltas, None) for call, answer, _ in triples]
        picked = [(call.rows(term.options['rois']), call, answer, student) for call, answer, student in triples]
        return [(student[rows], answer.cls_score[rows], call.labels[rows]) for rows, call, answer, student in picked]

    def mutual_loss(self, inputs: Tensor, samples: SampleList, active: list[tuple[str, Term, float]]) -> dict:
        """Losses of the student and its peers; those of the first peer are `peer1_loss_cls`, `peer1_loss_<term>` etc.

        All networks are compared on the RoIs that the student has sampled.
        """
        self.start()
        with self.recorded_head() as calls:
            losses = super(DetectorStudent, self).loss(inputs, samples)
        steps = [peer_step(link, calls, inputs, samples) for link in self.links]
        found = {f'peer{i}_{key}': value for i, (own, _) in enumerate(steps, start=1) for key, value in own.items()}
        views = [call.watched(self.gradients, [name for name, *_ in active]) for call in calls]
        values = []
        for name, term, weight in active:
            of_networks = []
            for i, call in enumerate(calls):
                rows = call.rows(term.options['rois'])
                logits = [views[i][name][rows], *(said[i].cls_score[rows] for _, said in steps)]
                given = {'target': call.labels[rows], 'epoch': run_info('epoch', 0)}
                of_networks.append(mutual(term, logits, **given))
            own, *of_peers = (sum(of_calls) / len(calls) for of_calls in zip(*of_networks, strict=True))
            values.append((name, term, weight, own))
            found |= {f'peer{number}_loss_{name}': weight * loss for number, loss in enumerate(of_peers, start=1)}
        return {**losses, **self.weigh(values, losses), **found, 'agreement': self.agreement(calls, steps[0][1])}

    def heads(self, link: RoITeacher, calls: list[RoIs], levels: Levels) -> list[BoxHeads]:
        """The box heads on the RoIs of each call."""
        return box_heads(link, calls, levels.teacher, levels.strides)

    def example_rows(self, term: Term) -> tuple[Tensor, Tensor]:
        """One RoI's logits (1, C + 1), or deltas (1, 4)."""
        columns = 4 if term.tap == 'roi_reg' else box_head(self.roi_head).num_classes + 1
        row = next(self.parameters()).new_zeros(1, columns)
        return row, row

    def agreement(self, calls: list[RoIs], answers: list[HeadAnswer]) -> Tensor:
        """The share of the last call's RoIs, 0 to 1, to which student and teacher give the same class."""
        same = calls[-1].cls_score.detach().argmax(1) == answers[-1].cls_score.argmax(1)
        return same.sum() / max(len(same), 1)
