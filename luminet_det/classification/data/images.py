"""The base class of the datasets: labelled images, a subset of them, and the two ways to serve them."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional

from luminet_det.distillation.settings import check_keys, settings_of

from .resident import ResidentImages
from .sources import SHOWN, ArrayImages, FileImages, UnreadableImage, check_labels
from .subset import stratified
from .transform_settings import join_views
from .transforms import build_views


class LabelledImages(Dataset):
    """Images with one class each.

    A sample is `dict(inputs=uint8 (3, H, W), labels=int, index=int)`, with inputs (V, 3, H, W) for V views;
    `luminet_det.collate_images` makes batches. Pixels stay raw: the model's data_preprocessor normalises them.

    Two pipelines serve them, from the same config. The ordinary one reads an image and transforms it by torchvision's
    v2, optionally in loader processes. With `device_resident=True` all images are on the device as one tensor, and
    whole batches are gathered and transformed there: same distribution, no processes (`num_workers=0`).

    Args:
        data_root: Folder of the files; each dataset says which layouts it supports.
        split: Which of the published splits.
        transforms: `[dict(type='RandomCrop', size=32, padding=4), ...]`, named as in torchvision.transforms.v2; or a
            list of such lists, one for each view of an image.
        device_resident: Keep all images on the device. They must be of one size.
        fraction: Share of the images of each class to use, drawn by `subset_seed`.
        subset_seed: Seed by which `fraction` and `val_fraction` choose images.
        val_fraction: Share of the used images of each class to hold out, e.g. for model selection.
        part: 'train' for the images that are not held out, 'held-out' for the others.
        resize: Height and width to which every image is resized first, whatever its shape.
        on_error: 'stop' at an unreadable image and name it, or 'skip' it: each process that reads it logs its name
            once, or once per epoch if loader processes end with the epoch. A batch of only such images is empty.
        allow_empty: Accept classes without images.
        device: Device of resident images; by default CUDA if available, else the CPU.
        download: Download what is missing, where torchvision can.

    Attributes:
        metainfo: `classes`, the names, and `dataset`, the dataset's own name.
        labels: int64 (N,) class of each sample.
        part: 'train' or 'held-out', as above.

    Raises:
        MissingData: The dataset is not at `data_root`.
        ValueError: Settings out of range, classes without images, labels outside the classes, or no image that can
            be read.
        UnreadableImage: An image cannot be read and `on_error='stop'`.
    """

    NAME = 'images'
    SPLITS: tuple[str, ...] = ('train', 'test')

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        transforms: Sequence | None = None,
        device_resident: bool = False,
        fraction: float = 1.0,
        subset_seed: int = 0,
        val_fraction: float = 0.0,
        part: str = 'train',
        resize: int | None = None,
        on_error: str = 'stop',
        allow_empty: bool = False,
        device: str | None = None,
        download: bool = False,
        **unknown,
    ) -> None:
        check_keys(f'The dataset {type(self).__name__}', unknown, settings_of(LabelledImages))
        if self.SPLITS and split not in self.SPLITS:
            raise ValueError(f'split={split!r} of {self.NAME} is unknown; choose one of {", ".join(self.SPLITS)}.')
        if on_error not in ('stop', 'skip'):
            raise ValueError(f"on_error={on_error!r} is unknown; choose 'stop' or 'skip'.")
        self.data_root, self.split, self.download = Path(data_root).expanduser(), split, download
        self.resize, self.on_error, self.part = resize, on_error, part
        self.source: ArrayImages | FileImages | None = self.load()
        check_labels(self.source)
        self.metainfo = {'classes': tuple(self.source.classes), 'dataset': self.NAME}
        self._origin = self.source.origin + (', its held-out part' if part == 'held-out' else '')
        self._skipped: set[str] = set()
        self._chosen = stratified(self.source.labels, fraction, val_fraction, part, subset_seed)
        images = self._read_all() if device_resident else None
        self.labels = torch.from_numpy(np.asarray(self.source.labels, dtype=np.int64)[self._chosen])
        self._check_classes(allow_empty)
        self.resident = None
        if device_resident:
            self.resident = ResidentImages(images, self.labels, transforms, device)
            # Everything that is needed from it is on the device now.
            self.source = None
        else:
            self.views = build_views(transforms)
            # Stops at the first image that can be read.
            if on_error == 'skip' and all(self._read(place) is None for place in self._chosen):
                raise self._none_readable()

    @abstractmethod
    def load(self) -> ArrayImages | FileImages:
        """The images of `split` under `data_root`."""

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, i: int) -> dict | None:
        """Sample `i`; None if its image is unreadable and `on_error='skip'`."""
        i = int(i)
        if not 0 <= i < len(self):
            raise IndexError(f'sample {i} of {len(self)}')
        if self.resident:
            batch = self.resident.batch([i])
            inputs = batch['inputs'] if len(self.resident.views) > 1 else batch['inputs'][0]
            return {'inputs': inputs, 'labels': batch['labels'][0], 'index': batch['index'][0]}
        place = self._chosen[i]
        image = self._read(place)
        if image is None:
            return None
        views = [self._transformed(view, image, place) for view in self.views]
        inputs = views[0] if len(views) == 1 else join_views(views, torch.stack)
        return {'inputs': inputs, 'labels': int(self.labels[i]), 'index': i}

    def __getitems__(self, indices: Sequence[int]) -> dict | list[dict | None]:
        """What torch's DataLoader calls: a whole batch of resident images, else a list of samples."""
        return self.resident.batch(indices) if self.resident else [self[i] for i in indices]

    def _read(self, place: int) -> Tensor | None:
        try:
            image = self.source.read(place)
        except UnreadableImage as error:
            if self.on_error == 'stop':
                raise
            if error.path not in self._skipped:
                self._skipped.add(error.path)
                count = f'{len(self._skipped)} so far in this process'
                text = f'Left out {error.path}: {error.reason} ({count}).'
                print_log(text, logger='current', level=logging.WARNING)
            return None
        if self.resize and tuple(image.shape[-2:]) != (self.resize, self.resize):
            image = functional.resize(image, [self.resize, self.resize], antialias=True)
        return image

    def _transformed(self, view, image: Tensor, place: int) -> Tensor:
        result = view(image)
        if not isinstance(result, Tensor) or result.dtype != torch.uint8:
            what = result.dtype if isinstance(result, Tensor) else type(result).__name__
            raise TypeError(
                f'The transforms of {self.NAME} turned {self.source.name(place)} into {what}; expected uint8. Leave '
                "out ToDtype, ToImage and Normalize: the model's data_preprocessor normalises."
            )
        return result

    def _read_all(self) -> Tensor:
        """The chosen images as uint8 (N, 3, H, W); skipped ones are removed from `_chosen`."""
        if isinstance(self.source, ArrayImages) and not self.resize:
            return torch.from_numpy(self.source.images[self._chosen]).permute(0, 3, 1, 2)
        images, kept = [], []
        for place in self._chosen:
            image = self._read(place)
            if image is None:
                continue
            if images and image.shape != images[0].shape:
                first, other = (tuple(t.shape[-2:]) for t in (images[0], image))
                raise ValueError(
                    f'{self.source.name(kept[0])} is {first[0]} x {first[1]}, {self.source.name(place)} is {other[0]} '
                    f'x {other[1]}; device-resident images need one size: set resize={max(32, min(first))} or another '
                    'size in the dataset, or device_resident=False.'
                )
            images.append(image)
            kept.append(place)
        if len(self._chosen) and not kept:
            raise self._none_readable()
        self._chosen = np.array(kept, dtype=int)
        return torch.stack(images) if images else torch.empty(0, 3, 1, 1, dtype=torch.uint8)

    @property
    def _where(self) -> str:
        return f'{self.split or "the folder"} of {self.NAME}, {self._origin}'

    def _none_readable(self) -> ValueError:
        return ValueError(f'None of the {len(self)} images of {self._where} can be read; the log names them.')

    def _check_classes(self, allow_empty: bool) -> None:
        if not len(self):
            raise ValueError(f'There is no image in {self._where}. Correct data_root or split of the dataset.')
        names = self.metainfo['classes']
        counts = np.bincount(self.labels.numpy(), minlength=len(names))
        empty = [name for name, count in zip(names, counts, strict=True) if not count]
        if empty and not allow_empty:
            shown = ', '.join(empty[:SHOWN]) + (', ...' if len(empty) > SHOWN else '')
            raise ValueError(
                f'{len(empty)} of {len(names)} classes have no image in {self._where}: {shown}. Add images, correct '
                'the list of classes, or set allow_empty=True in the dataset.'
            )
