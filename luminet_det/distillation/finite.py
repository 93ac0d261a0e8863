"""FiniteGuard: a teacher that says NaN stops the run and names the images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from luminet_det.distillation.pending_flags import PendingFlags


@dataclass
class Look:
    """What a look at the teacher's rows found.

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
        """Names of the images behind the rows that are not finite, of which there is one at least."""
        # mmdet's RoI extractor sums over levels without RoIs, so one image can spoil the rows of all.
        all_finite = self.finite_images.all()
        images = self.image_index[self.broken].unique() if all_finite else (~self.finite_images).nonzero()
        return [self.names[int(i)] for i in images]


class FiniteGuard:
    """Watches the teacher's rows without waiting for the device.

    On a GPU what was found is read a step or two later; until then the rows that are not finite count as zero, so
    that the student is not spoilt.
    """

    def __init__(self) -> None:
        self._looks = PendingFlags()

    def watch(self, rows: Tensor, image_index: Tensor, finite_images: Tensor, image_paths: list[str]) -> Tensor:
        """Return the rows with those that hold NaN or infinity set to zero, and remember where they stood.

        Args:
            rows: The teacher's values (K, ...); on a GPU they are changed in place.
            image_index: Image of each row (K,).
            finite_images: Whether the teacher's features of each image are finite (N,).
            image_paths: File of each image.

        Raises:
            FloatingPointError: On the CPU, at once, if a row is not finite.
        """
        # A sum is finite if all its parts are, and needs no second tensor of that size.
        broken = ~rows.sum(tuple(range(1, rows.dim())), dtype=torch.float32).isfinite()
        self._remember(broken, image_index, finite_images, image_paths)
        if rows.device.type == 'cpu':
            return rows
        return rows.masked_fill_(broken.view(-1, *[1] * (rows.dim() - 1)), 0)

    def note(self, broken: Tensor, names: Sequence[str]) -> None:
        """Remember which images (N,) the teacher's answers are not finite on; on the CPU raise as `watch` does."""
        if broken.is_cuda:
            # A CUDA graph writes its next look where this one lies.
            broken = broken.clone()
        self._remember(broken, torch.arange(len(broken), device=broken.device), ~broken, names)

    def check(self, wait: bool = False) -> None:
        """Raise FloatingPointError if a row watched before was not finite; names the files.

        Args:
            wait: For all looks, also those that have not arrived.
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
