"""FGFI: the student imitates the teacher's maps near objects only."""

from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torchvision.ops import box_iou

from .adaptors import AdaptorLoss, common
from .maps import Levels, standardized_channels
from .settings import flag


class FGFILoss(AdaptorLoss):
    """Fine-grained feature imitation, at the positions whose anchors come near a ground truth box.

    A position of a level counts, I = 1, if the IoU of one of its anchors with one of the image's boxes is above
    `threshold` times the largest IoU of that box with any anchor of the term's levels. With r a learned 3x3 convolution
    (and ReLU) for each level, and N_p = sum I over all levels and images::

        loss = loss_weight / (2 * N_p) * sum_{levels,n,h,w} I * sum_c (r(F_student) - F_teacher)**2

    This is the sum over channels, not the mean: with 256 channels, a weight of 0.01 equals one of 1.28 on the mean
    square. Without boxes the loss is 0. Each process counts its own positions.

    So the weight depends on the width and the magnitudes of the teacher's maps, and does not carry over to another
    teacher. With `standardize` it depends on neither: each channel of F_teacher is first standardised over images and
    positions, as in PKD, and the mean over channels replaces the sum. That is our addition, not published.

    Source: Wang et al., "Distilling Object Detectors with Fine-grained Feature Imitation", CVPR 2019, arXiv 1906.03609,
    which has one level. For a pyramid, one maximum over all levels is the closer reading: on the coarse levels by
    themselves, a small box would get a tiny maximum and many positions. As in the authors' code, r starts from weights
    of standard deviation 1e-4, and all anchors count, including those across the border. That code starts the loss
    after 400 iterations; a `warmup` of the term comes close to that.

    Args:
        threshold: Share of a box's largest IoU above which an anchor is near it, at least 0 and below 1.
        relu: Whether r ends in a ReLU, as published for maps that come out of a ReLU. The levels of a feature pyramid
            have both signs.
        standardize: Whether the teacher's maps are standardised, as above; not together with `relu`.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If `threshold` is out of range, `loss_weight` is negative, or `relu` and `standardize` are both set.
    """

    needs = ('boxes', 'priors')
    fits = "A student's map has to be as large as the teacher's."

    def __init__(
        self, threshold: float = 0.5, relu: bool = False, standardize: bool = False, loss_weight: float = 0.01
    ) -> None:
        super().__init__(loss_weight)
        if not isinstance(threshold, Real) or not 0 <= threshold < 1:
            raise ValueError(f'threshold must be at least 0 and below 1, got threshold={threshold!r}')
        self.threshold = float(threshold)
        self.relu, self.standardize = flag('relu', relu), flag('standardize', standardize)
        if self.relu and self.standardize:
            raise ValueError(
                'relu=True gives no negative values, but about half of the values of standardize=True are negative: '
                'remove one of the two'
            )

    def adaptor(self, student: Tensor, teacher: Tensor) -> nn.Module | None:
        if student.shape[2:] != teacher.shape[2:]:
            return None
        conv = nn.Conv2d(student.shape[1], teacher.shape[1], kernel_size=3, padding=1)
        nn.init.normal_(conv.weight, std=1e-4)
        nn.init.zeros_(conv.bias)
        return nn.Sequential(conv, nn.ReLU(inplace=True)) if self.relu else conv

    def forward(self, student: Levels, teacher: Levels, *, boxes: Sequence[Tensor], priors: Levels) -> Tensor:
        """Compare two lists of feature maps.

        Args:
            student: One (N, C_i, H_i, W_i) for each level.
            teacher: As many maps of the same sizes, whose channels may differ; detached here.
            boxes: The ground truth of each image (G, 4), x1, y1, x2, y2 in pixels of the networks' input.
            priors: All anchors of each level (H_i, W_i, A, 4), in the same pixels.

        Returns:
            A scalar.

        Raises:
            RuntimeError: If `adapt` was not called before.
            ValueError: If the lists differ in length, the anchors are not those of the student's maps, or some images
                have no entry in `boxes`.
        """
        return super().forward(student, teacher, boxes=boxes, priors=priors)

    def divergence(self, student: Levels, teacher: Levels, boxes: Sequence[Tensor], priors: Levels) -> Tensor:
        sizes = [tuple(level.shape[2:]) for level in student]
        found = [tuple(level.shape[:2]) for level in priors]
        if sizes != found or len(boxes) != len(student[0]):
            raise ValueError(
                "FGFILoss needs priors, the anchors of each position of the student's maps, and boxes, the ground "
                f'truth of each image; got maps {sizes} of {len(student[0])} images, priors {found} and the boxes of '
                f'{len(boxes)} images'
            )
        if self.standardize:
            teacher = [standardized_channels(level) for level in teacher]
        # The other network may round sizes differently.
        levels = [common(*level) for level in zip(student, teacher, self._masks(boxes, priors), strict=True)]
        masks = [mask for *_, mask in levels]
        square = sum(_square(*level) / (level[1].shape[1] if self.standardize else 1) for level in levels)
        return square / (2 * sum(mask.sum() for mask in masks)).clamp(min=1)

    @torch.no_grad()
    def _masks(self, boxes: Sequence[Tensor], priors: Levels) -> list[Tensor]:
        """Which positions count: a bool (N, H_i, W_i) for each level."""
        anchors = torch.cat([level.reshape(-1, 4) for level in priors])
        near = anchors.new_zeros((len(boxes), len(anchors)), dtype=torch.bool)
        for image, truth in enumerate(boxes):
            overlaps = box_iou(anchors, truth)
            near[image] = (overlaps > self.threshold * overlaps.amax(0)).any(1)
        levels = near.split([level[..., 0].numel() for level in priors], dim=1)
        return [mask.view(len(boxes), *level.shape[:3]).any(3) for mask, level in zip(levels, priors, strict=True)]

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, threshold={self.threshold:g}, relu={self.relu}, standardize={self.standardize}'


def _square(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    # A position that does not count is its own target: no loss, no gradient, and only one tensor kept for backward.
    target = torch.where(mask.unsqueeze(1), teacher, student.detach())
    return mse_loss(student, target, reduction='sum')
