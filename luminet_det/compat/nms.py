"""Non-maximum suppression under mmcv's names and signatures."""

import torch
import torchvision
from torch import Tensor

from luminet_det.compat.precision import widened

NAIVE, LINEAR = 0, 1  # methods of soft-NMS; 2 is gaussian


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the kept boxes, best score first.

    A box is removed if its IoU with a kept one is above the threshold.

    Args:
        boxes: (N, 4) as x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: in [0, 1]; a box exactly at it is kept.
        offset: 0, or 1 if the width of a box is x2 - x1 + 1.
    """
    boxes, scores = widened(boxes, scores)
    if offset:
        # (x2 + 1) - x1 is the width that offset 1 means, for boxes and for their intersections.
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # The IoU is float32, torchvision's threshold a double: without rounding it, an IoU of "0.6" would exceed 0.6.
    threshold = torch.tensor(iou_threshold, dtype=boxes.dtype).item()
    return torchvision.ops.nms(boxes, scores, threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (arXiv:1704.04503): each pick lowers the scores of the boxes it overlaps.

    Fills the first rows of ``dets`` (N, 5) with box and lowered score in picking order and returns the
    picked indices. The best box is always kept, others are removed once they score below ``min_score``. Among
    equal scores the earlier box is picked first.
    """
    boxes, scores = widened(boxes, scores)
    scores = scores.clone()
    waiting = torch.arange(len(boxes), device=boxes.device)
    picked = []
    while len(waiting):
        best = waiting[scores[waiting].max(dim=0).indices]
        dets[len(picked)] = torch.cat([boxes[best], scores[best, None]])
        picked.append(best)
        waiting = waiting[waiting != best]
        overlap = _iou(boxes[best], boxes[waiting], offset)
        scores[waiting] *= _decay(overlap, iou_threshold, sigma, method)
        waiting = waiting[~(scores[waiting] < min_score)]
    return torch.stack(picked) if picked else waiting


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of NMS: the index of each kept box, best score first, with those of the boxes that it has removed.

    A box is removed if its IoU with a kept one is at the threshold or above.

    Args:
        dets: (N, 5) as x1, y1, x2, y2, score.
        iou_threshold: in [0, 1].
    """
    boxes, scores = dets[:, :4], dets[:, 4]
    waiting = scores.argsort(descending=True)
    groups = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        gone = _iou(boxes[best], boxes[waiting], 0) >= iou_threshold
        groups.append([int(best), *waiting[gone].tolist()])
        waiting = waiting[~gone]
    return groups


def _iou(box: Tensor, others: Tensor, offset: int) -> Tensor:
    """IoU of one box (4,) with others (N, 4), widths being x2 - x1 + offset: (N,)."""

    def area(corners: Tensor) -> Tensor:
        return (corners[..., 2:] - corners[..., :2] + offset).prod(dim=-1)

    top_left = torch.maximum(box[:2], others[:, :2])
    bottom_right = torch.minimum(box[2:], others[:, 2:])
    inter = (bottom_right - top_left + offset).clamp(min=0).prod(dim=-1)
    return inter / (area(box) + area(others) - inter)


def _decay(iou: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    """Factors on the scores (N,): exp(-iou^2 / sigma), or (naive) 0 / (linear) 1 - iou from the threshold on."""
    if method not in (NAIVE, LINEAR):
        return torch.exp(-(iou**2) / sigma)
    lowered = 1 - iou if method == LINEAR else torch.zeros_like(iou)
    return torch.where(iou >= iou_threshold, lowered, torch.ones_like(iou))
