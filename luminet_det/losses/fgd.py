"""FGD: objects, their surroundings and their relation to the whole image, each with its own weight."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from .adaptors import common
from .aligned import AlignedLoss
from .maps import Levels
from .settings import not_negative, require_a_part

TEMPERATURE = 0.5


class FGDLoss(AlignedLoss):
    """Focal and global distillation.

    For each level, with maps F (N, C, H, W), D = (F_student - F_teacher)**2 and the attention

    - of positions, (N, 1, H, W): ``S = H * W * softmax over positions of (mean over channels of |F|) / 0.5``,
    - of channels, (N, C, 1, 1): ``A = C * softmax over channels of (mean over positions of |F|) / 0.5``,

    the loss is the sum over the levels of loss_weight / N times

    - foreground_weight * sum(M_fg * S_teacher * A_teacher * D): M_fg (N, 1, H, W) is 1 / area in the cells of a box
      of the ground truth, the largest where boxes overlap, so that small objects count as much as large ones;
    - background_weight * sum(M_bg * S_teacher * A_teacher * D): in the other cells, M_bg is 1 / their number;
    - attention_weight * (sum |A_student - A_teacher| + sum |S_student - S_teacher|);
    - relation_weight * sum((G_s(F_student) - G_t(F_teacher))**2), with a global context block for each network,
      learned with the student: F plus the output of a bottleneck for its attention-pooled vector. 132,866 parameters
      for a level of 256 channels. Both start as the identity, so equal networks start with a loss of 0.

    A box covers the cells from floor(x1, y1) to ceil(x2, y2), the last included. Pixels are converted to cells by the
    size of the level over that of the network's input, padding included. The released code divides by the size without
    padding, which stretches the boxes of padded images; here the cells are those of the object.

    Source: Yang et al., "Focal and Global Knowledge Distillation for Detectors", CVPR 2022, arXiv 2111.11837.
    Published for two-stage detectors: the defaults, on the FPN's first four levels; for one-stage detectors, on all
    levels: foreground_weight=1e-3, background_weight=5e-4, attention_weight=5e-4 (1e-3 is the code's default),
    relation_weight=5e-6.

    Args:
        foreground_weight: Weight of the objects; the paper's alpha.
        background_weight: Weight of the rest; beta.
        attention_weight: Weight of the difference in attention, from which the student's attention learns; gamma.
        relation_weight: Weight of the relation of positions to the whole image; lambda.
        loss_weight: Factor on the returned value, that is on all four.

    Raises:
        ValueError: If a weight is negative, or all four parts have the weight 0.
    """

    symbols = {
        'alpha': 'foreground_weight',
        'beta': 'background_weight',
        'gamma': 'attention_weight',
        'lambda': 'relation_weight',
        'alpha_fgd': 'foreground_weight',
        'beta_fgd': 'background_weight',
        'gamma_fgd': 'attention_weight',
        'lambda_fgd': 'relation_weight',
    }
    needs = ('boxes', 'image_size')

    def __init__(
        self,
        foreground_weight: float = 5e-5,
        background_weight: float = 2.5e-5,
        attention_weight: float = 5e-5,
        relation_weight: float = 5e-7,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight)
        self.foreground_weight = not_negative('foreground_weight', foreground_weight)
        self.background_weight = not_negative('background_weight', background_weight)
        self.attention_weight = not_negative('attention_weight', attention_weight)
        self.relation_weight = not_negative('relation_weight', relation_weight)
        require_a_part(self, 'foreground_weight', 'background_weight', 'attention_weight', 'relation_weight')

    def adapt(self, student: Levels, teacher: Levels) -> None:
        super().adapt(student, teacher)
        self.contexts = nn.ModuleList(
            nn.ModuleList(_GlobalContext(level.shape[1]) for level in teacher) for _ in ('student', 'teacher')
        ).to(student[0].device)

    def forward(self, student: Levels, teacher: Levels, *, boxes: list[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Compare two lists of feature maps.

        Args:
            student: One (N, C_i, H_i, W_i) for each level.
            teacher: As many maps; detached here.
            boxes: The ground truth of each image, (G, 4): x1, y1, x2, y2 in pixels of the network's input.
            image_size: Height and width of that input, padding included.

        Returns:
            A scalar.

        Raises:
            RuntimeError: If `adapt` was not called before.
            ValueError: If the lists differ in length, or some images have no entry in `boxes`.
        """
        return super().forward(student, teacher, boxes=boxes, image_size=image_size)

    def divergence(self, student: Levels, teacher: Levels, boxes: list[Tensor], image_size: tuple[int, int]) -> Tensor:
        if len(boxes) != len(student[0]):
            raise ValueError(f'FGDLoss needs the boxes of all {len(student[0])} images; got those of {len(boxes)}.')
        boxes = _padded(boxes, student[0].device)
        total = 0
        for own, other, *contexts in zip(student, teacher, *self.contexts, strict=True):
            mask = _foreground(boxes, image_size, own.shape[2:])
            total = total + self._level(*common(own, other, mask), *contexts)
        return total / max(len(boxes), 1)

    def _level(self, student: Tensor, teacher: Tensor, mask: Tensor, own: nn.Module, other: nn.Module) -> Tensor:
        """The four parts of one level, weighted and summed over images; `mask` is M_fg (N, H, W)."""
        background = (mask == 0).to(mask)
        background /= background.sum((1, 2), keepdim=True).clamp(min=1)
        mask = self.foreground_weight * mask + self.background_weight * background

        positions, channels = _attention(teacher)
        difference = student - teacher
        # One pass over the squares for both parts: first the channels are summed, weighted by their attention.
        by_position = channels[:, None] @ difference.square().flatten(2)
        focal = (by_position.squeeze(1) * positions * mask.flatten(1)).sum()

        own_positions, own_channels = _attention(student)
        attention = (own_positions - positions).abs().sum() + (own_channels - channels).abs().sum()

        # G(F) is F plus a vector for each image.
        context = own(student) - other(teacher)
        relation = (difference + context[..., None, None]).square().sum()
        return focal + self.attention_weight * attention + self.relation_weight * relation

    def extra_repr(self) -> str:
        names = ('foreground_weight', 'background_weight', 'attention_weight', 'relation_weight', 'loss_weight')
        return ', '.join(f'{name}={getattr(self, name):g}' for name in names)


class _GlobalContext(nn.Module):
    """The vector (N, C) that a global context block adds to each position of maps (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 2, 1)
        self.attend = nn.Conv2d(channels, 1, 1)
        self.transform = nn.Sequential(
            nn.Linear(channels, hidden), nn.LayerNorm(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels)
        )
        nn.init.kaiming_normal_(self.attend.weight)
        nn.init.zeros_(self.attend.bias)
        nn.init.zeros_(self.transform[-1].weight)
        nn.init.zeros_(self.transform[-1].bias)

    def forward(self, maps: Tensor) -> Tensor:
        attention = self.attend(maps).flatten(1).softmax(1)
        return self.transform((maps.flatten(2) @ attention[..., None]).squeeze(2))


def _attention(maps: Tensor) -> tuple[Tensor, Tensor]:
    """S (N, H * W) and A (N, C) of maps (N, C, H, W)."""
    magnitude = maps.abs().flatten(2)
    by_position, by_channel = magnitude.mean(1), magnitude.mean(2)
    return tuple(mean.shape[1] * (mean / TEMPERATURE).softmax(1) for mean in (by_position, by_channel))


def _padded(boxes: list[Tensor], device: torch.device) -> Tensor:
    """Boxes as (N, G, 4), with G at least 1, padded by nan, which covers no cell."""
    none = torch.full((1, 4), torch.nan, device=device)
    return pad_sequence([none, *(of_image.detach().float() for of_image in boxes)], True, torch.nan)[1:]


def _foreground(boxes: Tensor, image_size: tuple[int, int], size: Sequence[int]) -> Tensor:
    """M_fg (N, H, W) of boxes (N, G, 4) in pixels, on a level of this height and width."""
    # Multiplied first, so that box edges that lie on the edge of a cell stay there.
    scaled = [boxes[..., d::2] * cells / pixels for d, cells, pixels in zip((1, 0), size, image_size, strict=True)]
    (top, bottom), (left, right) = ((edges[..., 0].floor(), edges[..., 1].ceil()) for edges in scaled)
    values = 1 / ((bottom - top + 1) * (right - left + 1))
    rows = torch.where(_between(top, bottom, size[0]), values[..., None], 0)
    columns = _between(left, right, size[1]).float()
    mask = boxes.new_empty(len(boxes), *size)
    # Image by image: all boxes of a batch on a fine level would take too much memory.
    for image, row, column in zip(mask, rows, columns, strict=True):
        torch.amax(row[:, :, None] * column[:, None], 0, out=image)
    return mask


def _between(first: Tensor, last: Tensor, cells: int) -> Tensor:
    """Which of the cells lie from `first` to `last` (N, G): (N, G, cells)."""
    cells = torch.arange(cells, device=first.device)
    return (cells >= first[..., None]) & (cells <= last[..., None])
