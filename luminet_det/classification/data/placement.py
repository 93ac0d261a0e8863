"""Copying numbers drawn on the host to the images' device without waiting for it."""

from torch import Tensor


def beside(images: Tensor, drawn: Tensor) -> Tensor:
    """`drawn`, from host memory, on the device of `images`.

    From pinned memory the copy is queued; from ordinary memory the host would wait for the device.
    """
    if images.device.type != 'cuda':
        return drawn.to(images.device)
    return drawn.pin_memory().to(images.device, non_blocking=True)
