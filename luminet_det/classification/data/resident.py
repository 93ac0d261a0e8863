"""Small images, kept on the device as one tensor, from which batches are gathered and augmented there."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from .batch_transforms import build_views
from .placement import beside
from .transform_settings import join_views


class ResidentImages:
    """All images of a dataset on one device.

    Args:
        images: uint8 (N, 3, H, W).
        labels: int64 (N,).
        transforms: Configs of the transforms, one list, or one for each view.
        device: Device of the images; by default CUDA if available, else the CPU.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, transforms: Sequence | None = None, device: str | None = None
    ) -> None:
        self.device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        self.views = build_views(transforms)
        self.images = images.contiguous().to(self.device)
        self.labels = labels.to(self.device)

    def batch(self, indices: Sequence[int] | Tensor) -> dict:
        """The samples of `indices` as a batch on the device: see `collate_images`.

        Raises:
            RuntimeError: Called in a loader process while the images are on a GPU.
        """
        if self.device.type == 'cuda' and get_worker_info() is not None:
            raise RuntimeError(
                'Device-resident images on a GPU cannot be served by loader processes: set num_workers=0 in the '
                "dataloader, or device='cpu' in its dataset."
            )
        index = beside(self.images, torch.as_tensor(indices))
        images = self.images.index_select(0, index)
        views = []
        for transforms in self.views:
            view = images
            for transform in transforms:
                view = transform(view)
            views.append(view)
        return {
            'inputs': views[0] if len(views) == 1 else join_views(views, torch.cat),
            'labels': self.labels.index_select(0, index),
            'index': index,
        }
