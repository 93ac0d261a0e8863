"""The dense tap: the logits of the student's single-stage head at every prior, recorded in its own loss.

They are recorded from mmdet's public `bbox_head.loss_by_feat(cls_scores, ...)` and `bbox_head.get_targets(...)`, which
every head that assigns targets to anchors or points calls once per step.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from luminet_det.detection.seams import shadowed
from luminet_det.distillation.gradients import GradientShare


@dataclass
class DenseRows:
    """One call of the student's dense head. Its rows are the priors, ordered by level, then position, then anchor.

    Attributes:
        levels: The student's class logits of each level (N, A * C, H, W).
        labels: (N, R), the class assigned to each of the R priors of an image; `num_classes` is the background.
        num_columns: C, the background included where the head has a column for it.
        num_classes: Classes without background.
        cls_score: (N * R, C), the logits as rows, without gradient; set by `watched`.
    """

    levels: tuple[Tensor, ...]
    labels: Tensor
    num_columns: int
    num_classes: int
    cls_score: Tensor | None = None

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each level."""
        return [tuple(level.shape[-2:]) for level in self.levels]

    @property
    def image_index(self) -> Tensor:
        """Index of each image (N,), the first dimension of `labels`."""
        return torch.arange(len(self.labels), device=self.labels.device)

    def watched(self, gradients: GradientShare, names: list[str]) -> dict[str, Tensor]:
        """For each term, the student's logits as rows (N * R, C), at which the term's gradient is measured."""
        views = gradients.watch(self.levels, lambda *maps: flattened(maps, self.num_columns).flatten(0, 1), names)
        self.cls_score = next(iter(views.values())).detach()
        return views

    def rows(self, which: str | int, teacher: Tensor) -> Tensor | slice:
        """Indices into the N * R rows: of all, of the foreground, or of those where the teacher is most certain.

        Args:
            which: `'all'`, `'foreground'`, or the number of most certain rows in each image.
            teacher: The teacher's logits (N, R, C).
        """
        if which == 'all':
            return slice(None)
        if which == 'foreground':
            return ((self.labels >= 0) & (self.labels < self.num_classes)).flatten().nonzero()[:, 0]
        images, priors = self.labels.shape
        highest = teacher[..., : self.num_classes].amax(-1)
        if self.num_columns > self.num_classes:
            # With a softmax, a logit means nothing without the others of its row.
            highest = highest - teacher.logsumexp(-1)
        surest = highest.topk(min(which, priors), dim=1).indices
        return (surest + torch.arange(images, device=surest.device)[:, None] * priors).flatten()


@contextmanager
def recorded(head: nn.Module) -> Iterator[list[DenseRows]]:
    """Within the context, every `loss_by_feat` call of the head adds its `DenseRows` to the returned list."""
    loss_by_feat, get_targets = head.loss_by_feat, head.get_targets
    signature, calls, targets = inspect.signature(loss_by_feat), [], []

    def recording_targets(*args, **kwargs):
        targets.append(get_targets(*args, **kwargs))
        return targets[-1]

    def recording_loss(*args, **kwargs):
        losses = loss_by_feat(*args, **kwargs)
        levels = tuple(signature.bind(*args, **kwargs).arguments['cls_scores'])
        labels = _labels(head, targets.pop() if targets else (), levels)
        calls.append(DenseRows(levels, labels, head.cls_out_channels, head.num_classes))
        return losses

    with shadowed(head, loss_by_feat=recording_loss, get_targets=recording_targets):
        yield calls


def flattened(levels: tuple[Tensor, ...], num_columns: int, sizes: list[tuple[int, int]] | None = None) -> Tensor:
    """Rows (N, R, C) of a head's maps (N, A * C, H, W).

    The memory layout is (C, N, R), as dense losses take statistics and sums over the rows of each class.

    Args:
        levels: The maps.
        num_columns: C.
        sizes: Height and width to crop each level to, where the other network padded its images less.
    """
    columns = []
    for i, level in enumerate(levels):
        if sizes is not None:
            level = level[:, :, : sizes[i][0], : sizes[i][1]]
        columns.append(level.unflatten(1, (-1, num_columns)).permute(2, 0, 3, 4, 1).flatten(2))
    return torch.cat(columns, dim=2).permute(1, 2, 0)


def require_dense(model: nn.Module, whose: str) -> None:
    """Raise ValueError unless `model` has a head that gives each prior class logits and assigns it a target."""
    head = getattr(model, 'bbox_head', None)
    loss = getattr(head, 'loss_by_feat', None)
    if getattr(getattr(head, 'loss_cls', None), 'activated', False):
        raise ValueError(
            f"The {whose}'s {type(head).__name__} gives probabilities, but the tap 'dense_cls' compares logits. "
            "Use the tap 'neck'."
        )
    parts = ('get_targets', 'prior_generator')
    if loss and 'cls_scores' in inspect.signature(loss).parameters and all(hasattr(head, part) for part in parts):
        return
    kind = f'a {type(model).__name__}' + (f' with {type(head).__name__}' if head is not None else '')
    raise ValueError(
        f"The {whose} is {kind}. The tap 'dense_cls' compares class logits prior by prior, so both must be "
        'single-stage detectors that assign targets to anchors or points, such as RetinaNet, FCOS, ATSS, GFL or '
        "RTMDet. Between detectors of different kinds use the tap 'neck'."
    )


def _labels(head: nn.Module, targets: tuple, levels: tuple[Tensor, ...]) -> Tensor:
    """The labels (N, R) among the outputs of `get_targets`: the list of integer tensors, one for each level."""
    images, sizes = len(levels[0]), [level.numel() // head.cls_out_channels for level in levels]
    for found in targets:
        if not isinstance(found, (list, tuple)) or any(getattr(t, 'dtype', None) != torch.int64 for t in found):
            continue
        if [labels.numel() for labels in found] == sizes:
            return torch.cat([labels.reshape(images, -1) for labels in found], dim=1)
    raise ValueError(
        f"{type(head).__name__} does not assign labels to priors level by level, as the tap 'dense_cls' needs. "
        "RetinaNet, FCOS, ATSS, GFL and RTMDet do; for other detectors use the tap 'neck'."
    )
