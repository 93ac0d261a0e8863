"""FiniteGuard: a teacher that says NaN stops the run and names the images."""

from collections.abc import Sequence

import torch
from torch import Tensor


class FiniteGuard:
    """Watches the teacher's rows without waiting for the device.

    On a GPU a look at the values would stall every step, so each step's finding is read when the next one
    begins; until then the rows that are not finite count as zero, so that the student is not spoilt.
    """

    def __init__(self) -> None:
        self._findings: list[tuple[Tensor, Tensor, Tensor, Sequence[str]]] = []

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
        self._findings.append((broken, image_index, finite_images, image_paths))
        if rows.device.type == 'cpu':
            self.check()
            return rows
        return rows.masked_fill_(broken.view(-1, *[1] * (rows.dim() - 1)), 0)

    def note(self, broken: Tensor, names: Sequence[str]) -> None:
        """Remember which images (N,) the teacher's answers are not finite on; on the CPU raise as `watch` does."""
        self._findings.append((broken, torch.arange(len(broken), device=broken.device), ~broken, names))
        if broken.device.type == 'cpu':
            self.check()

    def check(self) -> None:
        """Raise FloatingPointError if a row watched since the last check was not finite; names the files."""
        findings, self._findings = self._findings, []
        files = {}
        for broken, image_index, finite_images, image_paths in findings:
            if broken.any():
                # mmdet's RoI extractor sums over levels without RoIs, so one image can spoil the rows of all.
                guilty = (~finite_images).nonzero() if not finite_images.all() else image_index[broken].unique()
                files |= dict.fromkeys(image_paths[int(i)] for i in guilty)
        if files:
            raise FloatingPointError(
                f"The teacher's answers are not finite on {len(files)} image(s): {', '.join(files)}. Look at these "
                "files, then at teacher.dtype (try dtype='bf16' or none instead of 'fp16') and at the checkpoint."
            )
