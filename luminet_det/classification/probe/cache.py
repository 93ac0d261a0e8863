"""EmbeddingCache: embeddings in files, so a second probe of the same network needs no images."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from luminet_det.classification.data import LabelledImages
from luminet_det.classification.data.sources import ArrayImages
from luminet_det.classification.probe.embeddings import Embedded

CHUNK = 1000


class EmbeddingCache:
    """One file for each network, dataset and size of the images.

    Args:
        folder: Where the files are; created if missing. None disables the cache.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)

    def get(self, key: Callable[[], str], make: Callable[[], Embedded]) -> tuple[Embedded, bool]:
        """The embeddings cached under `key()`, else those of `make()`; and whether they came from the cache.

        A file that cannot be read, for example after a run was killed, is written again.
        """
        if self.folder is None:
            return make(), False
        path = self.folder / f'{key()}.pt'
        # torch's files are zip archives, whose directory comes last: one that was cut off is not a valid archive.
        if path.is_file() and zipfile.is_zipfile(path):
            kept = torch.load(path, map_location='cpu', weights_only=True)
            return Embedded(kept['embeddings'], kept['labels']), True
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        # In one step: another run may read it, and this one may be killed.
        begun = path.with_suffix(f'.{os.getpid()}.tmp')
        torch.save(made._asdict(), begun)
        begun.replace(path)
        return made, False


def embedding_key(classifier: nn.Module, dataset: LabelledImages) -> str:
    """A name for the embeddings of a dataset by a network.

    It changes with every weight, with the preprocessor's mean and deviation, with the class of the network, with
    the images (their pixels where they are in memory, else the files' paths, sizes and times), with the selected
    ones and their labels, with the size to which they are resized, and with the handling of unreadable ones.

    Args:
        classifier: With its weights loaded.
        dataset: Not device-resident, since it would no longer have its source.
    """
    digest = hashlib.sha256()
    settings: dict[str, Any] = dict(network=str(classifier.network), resize=dataset.resize, split=dataset.split)
    settings |= dict(transforms=[str(view) for view in dataset.views], on_error=dataset.on_error)
    digest.update(json.dumps(settings).encode())
    preprocessor = classifier.data_preprocessor
    # mean and std are buffers that are not saved.
    for name, tensor in [*classifier.network.state_dict().items(), *preprocessor.named_buffers()]:
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    digest.update(str(getattr(preprocessor, '_channel_conversion', None)).encode())
    digest.update(_bytes(torch.from_numpy(np.asarray(dataset._chosen))))
    digest.update(_bytes(dataset.labels))
    source = dataset.source
    if isinstance(source, ArrayImages):
        for start in range(0, len(source), CHUNK):
            digest.update(np.ascontiguousarray(source.images[start : start + CHUNK]).data)
    else:
        for i in range(len(source)):
            digest.update(f'{source.name(i)}:{_stamp(source.name(i))};'.encode())
    return digest.hexdigest()[:32]


def _stamp(path: str) -> str:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return 'missing'
    return f'{found.st_size}:{found.st_mtime_ns}'


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
