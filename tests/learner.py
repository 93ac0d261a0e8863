"""A loss with parameters, for tests: a 1x1 convolution per level, and a buffer that counts its calls."""

import torch
from torch import nn

from luminet_det.registry import MODELS


@MODELS.register_module()
class LearnerLoss(nn.Module):
    """The mean squared error after a learned 1x1 convolution of the student's maps, summed over the levels.

    Args:
        loss_weight: Factor on the returned value.
    """

    compares = 'maps'
    takes_levels = True
    bridges = True

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.register_buffer('calls', torch.zeros(()))

    def adapt(self, student, teacher):
        pairs = zip(student, teacher, strict=True)
        self.layers = nn.ModuleList(nn.Conv2d(own.shape[1], other.shape[1], 1) for own, other in pairs)

    def forward(self, student, teacher):
        self.calls += 1
        levels = zip(self.layers, student, teacher, strict=True)
        return self.loss_weight * sum((layer(own) - other).square().mean() for layer, own, other in levels)


LEARNER = dict(type='luminet_det.LearnerLoss')
NECK = dict(tap='neck', loss=LEARNER)
FEATURES = dict(tap='features', loss=LEARNER)
