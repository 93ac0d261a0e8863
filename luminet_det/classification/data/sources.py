"""Where the images of a dataset come from: arrays in memory, or files that are read on access."""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional

SHOWN = 5
# What Pillow raises, depending on the format, for files that are truncated or not images at all.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
# Modes of Pillow whose values it would clip at 255.
DEEP = ('I', 'F')


class TooDeep(ValueError):
    """An image of more than 8 bits a channel."""


class UnreadableImage(ValueError):
    """A file that is missing, truncated, too deep or not an image: `path`, and `reason`, mostly in Pillow's words."""

    def __init__(self, path: str, cause: BaseException) -> None:
        self.path = path
        self.reason = 'no known image format' if isinstance(cause, UnidentifiedImageError) else str(cause)
        mend = 'Save it with 8 bits' if isinstance(cause, TooDeep) else 'Copy that file again'
        super().__init__(
            f"{path} cannot be read: {self.reason}. {mend}, or set on_error='skip' in the dataset's config to leave "
            'unreadable images out of their batches.'
        )


@dataclass(frozen=True)
class ArrayImages:
    """Images that are all in memory.

    Attributes:
        images: uint8 (N, H, W, 3).
        labels: int64 (N,).
        classes: Name of each class.
        origin: What they were read from, for messages.

    Raises:
        ValueError: Images or labels have the wrong type or shape.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    origin: str

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(
                f'{self.origin}: images are {images.dtype} of shape {images.shape}; expected uint8 (N, H, W, 3).'
            )
        if not np.issubdtype(labels.dtype, np.integer) or labels.shape != images.shape[:1]:
            raise ValueError(
                f'{self.origin}: labels are {labels.dtype} of shape {labels.shape}; expected whole numbers '
                f'({len(images)},), one for each image.'
            )

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, i: int) -> str:
        return f'image {i} of {self.origin}'

    def read(self, i: int) -> Tensor:
        """uint8 (3, H, W) of image `i`."""
        # A copy, as a transform may write into it (RandomErasing(inplace=True)).
        return torch.from_numpy(self.images[i].copy()).permute(2, 0, 1)


class FileImages:
    """Images in files, read one by one.

    Args:
        paths: File of each image.
        labels: int64 (N,).
        classes: Name of each class.
        origin: The folder, for messages.
    """

    def __init__(self, paths: Sequence[str], labels: np.ndarray, classes: tuple[str, ...], origin: str) -> None:
        # One array: each loader process would copy a list of a million strings by updating their reference counts.
        self.paths = np.array([os.fsencode(path) for path in paths], dtype=np.bytes_)
        self.labels = np.asarray(labels, dtype=np.int64)
        self.classes = classes
        self.origin = origin

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, i: int) -> str:
        return os.fsdecode(bytes(self.paths[i]))

    def read(self, i: int) -> Tensor:
        """uint8 (3, H, W) of image `i`, in RGB.

        Raises:
            UnreadableImage: The file is missing, truncated, not an image, or has more than 8 bits a channel.
        """
        path = self.name(i)
        try:
            with Image.open(path) as image:
                if image.mode.startswith(DEEP):
                    raise TooDeep(f'its pixels (Pillow: mode {image.mode}) have more than 8 bits')
                return functional.pil_to_tensor(image.convert('RGB'))
        except UNREADABLE as error:
            raise UnreadableImage(path, error) from error


def check_labels(source: ArrayImages | FileImages) -> None:
    """Raise ValueError if a label of `source` is outside its classes."""
    labels, count = np.asarray(source.labels), len(source.classes)
    outside = np.flatnonzero((labels < 0) | (labels >= count))
    if len(outside):
        named = ', '.join(f'{labels[i]} ({source.name(int(i))})' for i in outside[:SHOWN])
        more = ', ...' if len(outside) > SHOWN else ''
        raise ValueError(
            f'{source.origin}: {len(outside)} of {len(labels)} labels are outside 0..{count - 1}, '
            f'as there are {count} classes: {named}{more}. Correct the labels or the list of classes.'
        )
