"""The datasets of a classifier's config: the images of each class, whether they can be read, and their identities."""

import functools
import hashlib
import os
from collections.abc import Iterator

import numpy as np
from mmengine.registry import DATASETS
from torch import Tensor
from torch.utils.data import Dataset, Subset

from luminet_det.classification.data import LabelledImages, MissingData, UnreadableImage
from luminet_det.classification.data.sources import SHOWN, ArrayImages
from luminet_det.doctor import step
from luminet_det.doctor.findings import FAIL, OK, WARN, Finding, Unusable
from luminet_det.doctor.pixels import SAMPLES, spread

# A class with fewer images is hardly learned and coarsely scored; beyond this ratio the largest class dominates.
FEW, RATIO = 5, 100
# Images that are already in memory take no time to read.
SAMPLES_IN_MEMORY = 1000


def build(place: str, loader: dict) -> Dataset:
    """The dataset of a loader's config."""
    try:
        return DATASETS.build(loader['dataset'])
    except MissingData as error:
        raise Unusable(str(error), f'{place}.dataset.data_root') from error


def in_memory(images: LabelledImages) -> bool:
    """Whether the images are arrays, rather than files that are read on demand."""
    return images.resident is not None or isinstance(images.source, ArrayImages)


def check_counts(place: str, images: LabelledImages) -> Iterator[Finding]:
    """Whether each class has enough images.

    Args:
        place: The loader, for messages.
        images: Its dataset.
    """
    classes = images.metainfo['classes']
    counts = np.bincount(images.labels.numpy(), minlength=len(classes))
    fewest, most = int(counts.argmin()), int(counts.argmax())
    if few := [f'{classes[i]} {counts[i]}' for i in counts.argsort(kind='stable') if counts[i] < FEW]:
        shown = ', '.join(few[:SHOWN]) + (', ...' if len(few) > SHOWN else '')
        yield Finding(
            'images',
            WARN,
            f'{place}: {len(few)} of {len(classes)} classes have fewer than {FEW} images: {shown}',
            f'Add images of these, or raise {place}.dataset.fraction if it is below 1.',
        )
    if counts[fewest] and counts[most] > RATIO * counts[fewest]:
        yield Finding(
            'images',
            WARN,
            f'{place}: {counts[most]} images of {classes[most]}, and {counts[fewest]} of {classes[fewest]}',
            f'Add images of {classes[fewest]}, or take fewer of {classes[most]}: cross-entropy and accuracy count '
            'images, not classes.',
        )
    each = f'{counts[most]} each'
    if counts[most] > counts[fewest]:
        each = f'{counts[fewest]} ({classes[fewest]}) to {counts[most]} ({classes[most]}) each'
    yield Finding('images', OK, f'{place}: {len(images)} images of {len(classes)} classes, {each}')


def check_reading(place: str, loader: dict, images: LabelledImages) -> Iterator[Finding]:
    """Whether a few images can be read and collated into a batch.

    Args:
        place: The loader, for messages.
        loader: Its config.
        images: Its dataset.
    """
    read, broken = opened(images)
    stops = images.on_error == 'stop'
    if broken:
        names = '; '.join(f'{error.path} ({error.reason})' for error in broken[:SHOWN])
        yield Finding(
            'images',
            FAIL if stops else WARN,
            f'{place}: {len(broken)} of {len(read) + len(broken)} files that were opened cannot be read: {names}'
            + ('; ...' if len(broken) > SHOWN else ''),
            'Copy these files again'
            + (f", or set {place}.dataset.on_error='skip'." if stops else '. Until then they are left out.'),
        )
    if images.resident and images.resident.device.type == 'cuda' and loader.get('num_workers'):
        raise Unusable(
            f'{place}: images that are resident on a GPU cannot be served by loader processes',
            f"{place}.num_workers = 0, or {place}.dataset.device = 'cpu'",
        )
    if read and not (broken and stops):
        given = _batch_size(place, loader, images)
        sizes = sorted({f'{image.shape[1]} x {image.shape[2]}' for image in read})
        own = sizes[0] if len(sizes) == 1 else f'of {len(sizes)} sizes ({", ".join(sizes[:3])}, ...)'
        stored = f'in files, {len(read)} of them opened'
        if in_memory(images):
            stored = f'all resident on {images.resident.device}' if images.resident else 'all in memory'
        yield Finding(
            'images', OK, f'{place}: {own}, {stored}{"" if sizes == [given] else f"; the network gets {given}"}'
        )


def opened(images: LabelledImages) -> tuple[list[Tensor], list[UnreadableImage]]:
    """Some images before any transform, uint8 (3, H, W), and the errors of those that are unreadable.

    More images are taken if they are already in memory.
    """
    picked = spread(len(images), SAMPLES_IN_MEMORY if in_memory(images) else SAMPLES)
    if images.resident:
        return list(images.resident.images[picked].cpu()), []
    read, broken = [], []
    for place in images._chosen[picked]:
        try:
            read.append(images.source.read(place))
        except UnreadableImage as error:
            broken.append(error)
    return read, broken


def identities(images: LabelledImages) -> Iterator[tuple[object, str]]:
    """For each image, a digest of its content, or its path if it is not in memory; and its name."""
    if not in_memory(images):
        for path in map(images.source.name, images._chosen):
            folder, links = _folder(os.path.dirname(path))
            name = os.path.basename(path)
            yield os.path.realpath(path) if name in links else os.path.join(folder, name), path
        return
    resident = images.resident.images.cpu().numpy() if images.resident else None
    for i, place in enumerate(images._chosen):
        pixels = images.source.images[place].transpose(2, 0, 1) if resident is None else resident[i]
        yield hashlib.blake2b(pixels.tobytes(), digest_size=16).digest(), f'image {place} of {images.split}'


def _batch_size(place: str, loader: dict, images: LabelledImages) -> str:
    """Height and width of the images in a batch that is spread over the dataset."""
    picked = spread(len(images))
    inputs = step.batch(loader, Subset(images, picked), batch_size=len(picked))['inputs']
    if not isinstance(inputs, Tensor):
        raise Unusable(
            f'{place}: its batches hold a {type(inputs).__name__} of images, not one tensor',
            f"{place}.collate_fn = dict(type='luminet_det.collate_images')",
        )
    return '{} x {}'.format(*inputs.shape[-2:])


@functools.cache
def _folder(path: str) -> tuple[str, set[str]]:
    """The real path of a folder, and the links in it, to avoid resolving a million files one by one."""
    return os.path.realpath(path), {entry.name for entry in os.scandir(path or '.') if entry.is_symlink()}
