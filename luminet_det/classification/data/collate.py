"""Collating images into batches for the classifiers."""

from collections.abc import Sequence

import torch

from luminet_det.registry import FUNCTIONS


@FUNCTIONS.register_module()
def collate_images(samples: Sequence[dict | None] | dict) -> dict:
    """Put samples together into one batch.

    Args:
        samples: Each `dict(inputs, labels, index)` with inputs (3, H, W), or (V, 3, H, W) for V views, and index for
            losses that need it; None where an unreadable image was skipped. A batch, which a device-resident dataset
            makes itself, is returned unchanged.

    Returns:
        `inputs` uint8 (V * B, 3, H, W), all B images of the first view first; `labels` and `index` int64 (B,). If
        all images were skipped, B is 0 and the size 1 x 1.

    Raises:
        ValueError: The images differ in size.
    """
    if isinstance(samples, dict):
        return samples
    kept = [sample for sample in samples if sample is not None]
    inputs = [sample['inputs'] for sample in kept] or [torch.empty(0, 3, 1, 1, dtype=torch.uint8)]
    sizes = sorted({tuple(images.shape) for images in inputs})
    if len(sizes) > 1:
        shown = ', '.join(map(str, sizes[:4]))
        raise ValueError(
            f'The images of a batch differ in size: {shown}. Set resize=... in the dataset, or end its transforms '
            "with a fixed size, e.g. dict(type='RandomResizedCrop', size=224) or Resize and CenterCrop."
        )
    batch = torch.stack(inputs, dim=inputs[0].dim() - 3)
    keys = [key for key in ('labels', 'index') if key == 'labels' or all(key in sample for sample in kept)]
    numbers = {key: torch.tensor([int(sample[key]) for sample in kept], dtype=torch.int64) for key in keys}
    return {'inputs': batch.flatten(0, -4), **numbers}
