"""Two other ways to write a distilling step, to compare with."""

from copy import deepcopy

import torch
from mmdet.structures.bbox import bbox2roi
from torch import nn

from luminet_det.detection.answers import Answer, HeadAnswer
from luminet_det.detection.roi_taps import recorded


def student_head_twice(detector: nn.Module) -> nn.Module:
    """As in frameworks that cannot access the logits of the student's own loss."""
    detector = deepcopy(detector)
    bbox_loss, forward = detector.roi_head.bbox_loss, detector.roi_head._bbox_forward

    def twice(x, sampling_results):
        results = bbox_loss(x, sampling_results)
        again = forward(x, bbox2roi([sampled.priors for sampled in sampling_results]))
        return {**results, 'cls_score': again['cls_score']}

    detector.roi_head.bbox_loss = twice
    return detector


def whole_teacher_loss(detector: nn.Module) -> nn.Module:
    """As in frameworks that run the teacher in mode='loss', with its RPN, sampling and losses."""
    detector = deepcopy(detector)
    link = detector.links[0]
    model, ask = link.teacher.model, detector.ask

    def answer(calls, inputs, image_shapes, taps):
        with recorded(model.roi_head) as own, link.teacher.answering(inputs.device.type):
            model.loss(inputs, deepcopy(answer.samples))
        finite = torch.ones(len(inputs), dtype=torch.bool, device=inputs.device)
        pairs = zip(calls, own, strict=True)
        return Answer(finite, [HeadAnswer(mine.cls_score[: len(call.rois)]) for call, mine in pairs])

    def asking(calls, inputs, samples, taps):
        answer.samples = samples
        return ask(calls, inputs, samples, taps)

    link.answer, detector.ask = answer, asking
    return detector
