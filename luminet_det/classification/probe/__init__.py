"""Linear probe: how well a linear layer on a frozen network's embedding classifies another dataset."""

from luminet_det.classification.probe.cache import EmbeddingCache
from luminet_det.classification.probe.embeddings import Embedded, embed
from luminet_det.classification.probe.linear import LinearLayers, fit
from luminet_det.classification.probe.probe import Protocol, Seed, probe
from luminet_det.classification.probe.target import Target, target, training_size

__all__ = [
    'Embedded',
    'EmbeddingCache',
    'LinearLayers',
    'Protocol',
    'Seed',
    'Target',
    'embed',
    'fit',
    'probe',
    'target',
    'training_size',
]
