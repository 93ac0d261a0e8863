"""PixelMap: the student's normalised pixels in the teacher's normalisation."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PixelMap:
    """Map images from one `data_preprocessor`'s normalisation, channel order and padding to another's.

    With student mean and deviation m_s, d_s and the teacher's m_t, d_t, a pixel x becomes
    (x * d_s + m_s - m_t) / d_t, with its channels flipped where only one of the two swaps BGR and RGB. Padding gets
    the teacher's padding value and extends to the teacher's size divisor, so the teacher sees what its own
    preprocessor would give it. Where both agree, images pass unchanged and are not copied.

    Args:
        student: The student's data preprocessor (`ImgDataPreprocessor` of mmengine or a subclass).
        teacher: The teacher's.
        keeps_size: Whether images stay at least as large as the student's, for maps that are compared position by
            position. Otherwise they are padded as the teacher's own preprocessor would do, even where that is less.
        padded: Whether images have padding; those of a classifier have none.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module, keeps_size: bool = False, padded: bool = True) -> None:
        self.flip = _swaps_channels(student) != _swaps_channels(teacher)
        own = (self._in_teacher_order(t) for t in _statistics(student))
        # One number may stand for all channels.
        mean, std, teacher_mean, teacher_std = torch.broadcast_tensors(*own, *_statistics(teacher))
        self.scale = std / teacher_std
        self.shift = (mean - teacher_mean) / teacher_std
        self.rescales = not (torch.equal(mean, teacher_mean) and torch.equal(std, teacher_std))
        self.divisor = getattr(teacher, 'pad_size_divisor', 1)
        self.pad_value = float(getattr(teacher, 'pad_value', 0))
        self.pads = padded and (self.rescales or self.pad_value != getattr(student, 'pad_value', 0))
        divisor = getattr(student, 'pad_size_divisor', 1)
        self.keeps_size = keeps_size
        self.resizes = padded and (divisor % self.divisor != 0 if keeps_size else divisor != self.divisor)

    def to(self, device: torch.device) -> 'PixelMap':
        """Move scale and shift to a device ahead of time, so that no step has to."""
        self.scale, self.shift = self.scale.to(device), self.shift.to(device)
        return self

    @property
    def identity(self) -> bool:
        """Whether images pass unchanged."""
        return not (self.flip or self.rescales or self.pads or self.resizes)

    def __call__(self, inputs: Tensor, image_shapes: Sequence[tuple[int, int]]) -> Tensor:
        """Map a batch.

        Args:
            inputs: (N, 3, H, W), normalised and padded for the student.
            image_shapes: Height and width of each image inside its padding; unused where images have none.

        Returns:
            (N, 3, H', W'), normalised and padded for the teacher; `inputs` itself where nothing differs.
        """
        if self.identity:
            return inputs
        outputs = inputs.flip(1) if self.flip else inputs
        if self.rescales:
            self.scale, self.shift = self.scale.to(outputs), self.shift.to(outputs)
            outputs = outputs * self.scale + self.shift
        if self.resizes:
            outputs = self._resize_padding(outputs, image_shapes)
        if self.pads:
            outputs = outputs.clone() if outputs is inputs else outputs
            for image, (height, width) in zip(outputs, image_shapes, strict=True):
                image[:, height:, :] = self.pad_value
                image[:, :, width:] = self.pad_value
        return outputs

    def describe(self) -> str:
        """What the map does, for the log."""
        changes = {
            'channels flipped': self.flip,
            'mean and std changed': self.rescales,
            f'padding value {self.pad_value:g}': self.pads,
            f'padded to a multiple of {self.divisor}': self.resizes,
        }
        return ', '.join(change for change, happens in changes.items() if happens) or 'as the student sees them'

    def _in_teacher_order(self, statistics: Tensor) -> Tensor:
        return statistics.flip(0) if self.flip else statistics

    def _resize_padding(self, inputs: Tensor, image_shapes: list[tuple[int, int]]) -> Tensor:
        content = inputs.shape[2:] if self.keeps_size else map(max, zip(*image_shapes, strict=True))
        height, width = (math.ceil(size / self.divisor) * self.divisor for size in content)
        inputs = inputs[:, :, :height, :width]
        return F.pad(inputs, (0, width - inputs.shape[3], 0, height - inputs.shape[2]), value=self.pad_value)


def _swaps_channels(preprocessor: nn.Module) -> bool:
    return bool(getattr(preprocessor, '_channel_conversion', False))


def _statistics(preprocessor: nn.Module) -> tuple[Tensor, Tensor]:
    if not getattr(preprocessor, '_enable_normalize', False):
        return torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    return tuple(t.detach().float().cpu().view(-1, 1, 1) for t in (preprocessor.mean, preprocessor.std))
