"""Narrow residual networks and real digits: classifiers that learn in milliseconds."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from mmengine.optim import OptimWrapper

from luminet_det.classification.models.resnet import BasicBlock, ResNet
from luminet_det.quickstart.digits import load_scans
from luminet_det.registry import MODELS
from tests.classification import small

CLASSES = 10
NARROW, WIDE = (4, 4, 8, 16), (8, 8, 16, 32)


@MODELS.register_module()
class NarrowNet(ResNet):
    """A ResNet with one block per stage, for images of 16 pixels.

    Args:
        widths: Channels of the stem, then of each stage.
        num_classes: Number of outputs.
    """

    image_size = 16

    def __init__(self, widths=NARROW, num_classes: int = CLASSES) -> None:
        super().__init__(BasicBlock, (1, 1, 1), widths, num_classes)


def setting(widths=NARROW, **changes) -> dict:
    """The config of a plain classifier."""
    return small.setting(network=dict(type='luminet_det.NarrowNet', widths=widths), **changes)


def distilling(teacher: dict, distill, **changes) -> dict:
    """The config of a distilling classifier."""
    return setting(**changes) | dict(type='luminet_det.DistillClassifier', teacher=teacher, distill=distill)


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """The first 64 scans as images (64, 3, 16, 16) with values from 0 to 255, and their classes (64,)."""
    scans, labels = (of_all[:64] for of_all in load_scans())
    images = 255 * np.kron(scans, np.ones((2, 2), np.float32))[:, None].repeat(3, 1)
    return torch.from_numpy(images), torch.from_numpy(labels).long()


def batch(images: int = 32, views: int = 1) -> dict:
    """A batch as a dataloader gives it: the first digits; a second view is shifted by one pixel and darker."""
    weak, labels = (of_all[:images] for of_all in digits())
    inputs = torch.cat([weak, 0.7 * weak.roll(1, 3)][:views]).byte()
    return dict(inputs=inputs, labels=labels.clone(), index=torch.arange(images))


def sgd(model: torch.nn.Module, lr: float = 0.02) -> OptimWrapper:
    """An optimizer wrapper for a model and everything that is trained together with it."""
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9))


def save_teacher(path: Path, widths=WIDE, steps: int = 40) -> dict:
    """Train a teacher for some steps on the first digits and save it; returns its `teacher=` setting."""
    config = setting(widths)
    model = small.build(config, seed=1)
    optimizer = sgd(model)
    for _ in range(steps):
        model.train_step(batch(64), optimizer)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return dict(config=config, checkpoint=str(path))
