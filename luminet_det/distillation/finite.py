"""FiniteGuard: stops the run if a teacher's outputs are not finite, and names the images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from luminet_det.distillation.pending_flags import PendingFlags


@dataclass
class Look:
    """The result of one check of the teacher's rows.

    Attributes:
        broken: Which rows are not finite (K,).
        image_index: Image of each row (K,).
        finite_images: Whether the teacher's features of each image are finite (N,).
        names: File, or another name, of each image.
    """

    broken: Tensor
    image_index: Tensor
    finite_images: Tensor
    names: Sequence[str]

    def guilty(self) -> list[str]:
        """Names of the images that caused the rows that are not finite; there must be at least one such row."""
        # mmdet's RoI extractor adds 0 times the sum of levels without RoIs, so one image can spoil the rows of all.
        all_finite = self.finite_images.all()
        images = self.image_index[self.broken].unique() if all_finite else (~self.finite_images).nonzero()
        return [self.names[int(i)] for i in images]


class FiniteGuard:
    """Checks the teacher's rows without waiting for the device.

    On a GPU the result is read a step or two later; until then, rows that are not finite are set to zero to protect
    the student.
    """

    def __init__(self) -> None:
        self._looks = PendingFlags()

    def watch(self, rows: Tensor, image_index: Tensor, finite_images: Tensor, image_paths: list[str]) -> Tensor:
        """Return the rows with those that contain NaN or infinity set to zero, and remember which those were.

        Args:
            rows: The teacher's values (K, ...); on a GPU they are changed in place.
            image_index: Image of each row (K,).
            finite_images: Whether the teacher's features of each image are finite (N,).
            image_paths: File of each image.

        Raises:
            FloatingPointError: On the CPU, at once, if a row is not finite.
        """
        # The sum of a row is finite if its values are, and needs no second tensor of the same size.
        broken = ~rows.sum(tuple(range(1, rows.dim())), dtype=torch.float32).isfinite()
        self._remember(broken, image_index, finite_images, image_paths)
        if rows.device.type == 'cpu':
            return rows
        return rows.masked_fill_(broken.view(-1, *[1] * (rows.dim() - 1)), 0)

    def note(self, broken: Tensor, names: Sequence[str]) -> None:
        """Remember on which images (N,) the teacher's answers are not finite; on the CPU, raise as `watch` does."""
        if broken.is_cuda:
            # A CUDA graph writes its next result into the same memory.
            broken = broken.clone()
        self._remember(broken, torch.arange(len(broken), device=broken.device), ~broken, names)

    def check(self, wait: bool = False) -> None:
        """Raise FloatingPointError, with the names of the files, if a row watched before was not finite.

        Args:
            wait: Whether to wait for results that have not arrived yet.
        """
        files = dict.fromkeys(name for look in self._looks.raised(wait) for name in look.guilty())
        if files:
            self._looks = PendingFlags()
            raise FloatingPointError(
                f"The teacher's answers are not finite on {len(files)} image(s): {', '.join(files)}. Look at these "
                "files, then at teacher.dtype (try dtype='bf16' or none instead of 'fp16') and at the checkpoint."
            )

    def __deepcopy__(self, memo: dict) -> 'FiniteGuard':
        return FiniteGuard()

    def __reduce__(self):
        return FiniteGuard, ()

    def _remember(self, broken: Tensor, image_index: Tensor, finite_images: Tensor, names: Sequence[str]) -> None:
        self._looks.add(broken.any(), Look(broken, image_index, finite_images, names))
        if broken.device.type == 'cpu':
            self.check()
