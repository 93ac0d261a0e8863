"""RoI taps: the RoIs and outputs of the student's box head, recorded in its own loss.

They are recorded from mmdet's public `roi_head.bbox_loss(...)`, which a standard RoI head calls once per step and a
cascade once per stage.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from mmdet.structures.bbox import bbox2roi
from torch import Tensor, nn

from luminet_det.detection.seams import shadowed
from luminet_det.distillation.gradients import GradientShare


@dataclass
class RoIs:
    """The sampled RoIs of one call of the student's box head, with its outputs.

    Attributes:
        rois: (K, 5), image index and x1, y1, x2, y2 in pixels of the network's input.
        labels: (K,), the assigned class; `num_classes` is the background.
        counts: Numbers of positives and negatives of each image, in the order of the rows.
        cls_score: (K, C + 1), the student's logits.
        bbox_pred: (K, 4C), or (K, 4) of a class-agnostic head: the student's box deltas.
    """

    rois: Tensor
    labels: Tensor
    counts: list[tuple[int, int]]
    cls_score: Tensor
    bbox_pred: Tensor | None

    @property
    def image_index(self) -> Tensor:
        """Image of each row (K,)."""
        return self.rois[:, 0]

    def watched(self, gradients: GradientShare, names: list[str]) -> dict[str, Tensor]:
        """For each term, a view of the student's logits, at which the term's gradient is measured."""
        return gradients.watch([self.cls_score], lambda logits: logits, names)

    def split(self, sizes: list[int]) -> list['RoIs']:
        """Split by images, `sizes` of them in each part; every part counts its images from 0."""
        parts, image, row = [], 0, 0
        for size in sizes:
            counts = self.counts[image : image + size]
            rows = slice(row, row + sum(map(sum, counts)))
            rois = self.rois[rows].clone()
            rois[:, 0] -= image
            bbox_pred = None if self.bbox_pred is None else self.bbox_pred[rows]
            parts.append(RoIs(rois, self.labels[rows], counts, self.cls_score[rows], bbox_pred))
            image, row = image + size, rows.stop
        return parts

    def rows(self, which: str) -> Tensor | slice:
        """Indices of `'all'` rows, of the `'foreground'`, or of `'balanced'` rows.

        `'balanced'` is the foreground and, per image, as many background rows: those that the RPN ranks highest, as
        mmdet keeps negatives in the order of their proposals.
        """
        if which == 'all':
            return slice(None)
        ranges, start = [], 0
        for positives, negatives in self.counts:
            taken = positives + min(positives, negatives) if which == 'balanced' else positives
            ranges.append(torch.arange(start, start + taken, device=self.rois.device))
            start += positives + negatives
        return torch.cat(ranges)

    def foreground_deltas(self) -> Tensor:
        """The student's deltas (F, 4) of the assigned class on the F foreground RoIs."""
        rows = self.rows('foreground')
        return assigned_deltas(self.bbox_pred[rows], self.labels[rows])


@contextmanager
def recorded(roi_head: nn.Module) -> Iterator[list[RoIs]]:
    """Within the context, every `roi_head.bbox_loss` call adds its `RoIs` to the returned list."""
    bbox_loss, calls = roi_head.bbox_loss, []
    signature = inspect.signature(bbox_loss)

    def recording(*args, **kwargs):
        results = bbox_loss(*args, **kwargs)
        sampled = signature.bind(*args, **kwargs).arguments['sampling_results']
        head = _heads(roi_head)[len(calls)]
        calls.append(
            RoIs(
                rois=bbox2roi([result.priors for result in sampled]),
                labels=torch.cat([_labels(result, head.num_classes) for result in sampled]),
                counts=[(len(result.pos_priors), len(result.neg_priors)) for result in sampled],
                cls_score=results['cls_score'],
                bbox_pred=results.get('bbox_pred'),
            )
        )
        return results

    with shadowed(roi_head, bbox_loss=recording):
        yield calls


def box_head(roi_head: nn.Module, stage: int = 0) -> nn.Module:
    """The box head of a stage, or the last one if there are fewer stages."""
    heads = _heads(roi_head)
    return heads[min(stage, len(heads) - 1)]


def assigned_deltas(bbox_pred: Tensor, labels: Tensor) -> Tensor:
    """The deltas (K, 4) of each row's class, from (K, 4C); class-agnostic deltas (K, 4) are returned as they are."""
    if bbox_pred.shape[1] == 4:
        return bbox_pred
    return bbox_pred.unflatten(1, (-1, 4))[torch.arange(len(labels), device=labels.device), labels]


def _heads(roi_head: nn.Module) -> list[nn.Module]:
    head = roi_head.bbox_head
    return list(head) if isinstance(head, nn.ModuleList) else [head]


def _labels(sampled, num_classes: int) -> Tensor:
    background = sampled.pos_gt_labels.new_full((len(sampled.neg_priors),), num_classes)
    return torch.cat([sampled.pos_gt_labels, background])
