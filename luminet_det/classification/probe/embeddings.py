"""Embedded: a dataset as a frozen network's embeddings."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from luminet_det.classification.analysis.answers import collect
from luminet_det.classification.classifier import Classifier


class Embedded(NamedTuple):
    """Embeddings float32 (N, D) and labels int64 (N,) of a dataset, in its order."""

    embeddings: Tensor
    labels: Tensor


def embed(classifier: Classifier, dataset: Dataset, batch_size: int = 250, num_workers: int = 0) -> Embedded:
    """Collect the input of a frozen network's last linear layer.

    The network is put into eval mode: its BatchNorm keeps the statistics of its own training, whatever the images.

    Args:
        classifier: On the device where it is to run.
        dataset: Images of the size that the network was trained with, see `LabelledImages`.
        batch_size: Images at a time.
        num_workers: Processes that read them.

    Raises:
        ValueError: The network returns only logits.
    """
    classifier.eval()
    networks = {'probed': lambda inputs: classifier(inputs, mode='tensor')}
    found = collect(networks, classifier.data_preprocessor, dataset, batch_size, num_workers)['probed']
    if found.embedding is None:
        raise ValueError(
            f'{type(classifier.network).__name__} returns only logits, but a linear probe needs the embedding before '
            'them. Let the network return luminet_det.classification.models.Outputs.'
        )
    return Embedded(found.embedding, found.labels.to(torch.int64))
