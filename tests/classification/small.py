"""A small classifier, its teacher and its data."""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from luminet_det.classification.models import Outputs
from luminet_det.registry import MODELS
from tests.classification.data import written

ROOT = Path(__file__).parents[2]
MEAN, STD = [120.0, 125.0, 130.0], [60.0, 62.0, 64.0]


@MODELS.register_module()
class SmallNet(nn.Module):
    """Two convolutions, for images of any size.

    Args:
        width: Number of channels.
        num_classes: Number of outputs.
    """

    def __init__(self, width: int = 8, num_classes: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 2, 1)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        before = self.bn1(self.conv1(x))
        first = before.relu()
        second = self.conv2(first)
        embedding = second.relu().mean((2, 3))
        return Outputs(self.fc(embedding), (first, second.relu()), (before, second), embedding)


def setting(width: int = 8, num_classes: int = 4, mean=MEAN, std=STD, **changes) -> dict:
    """The config of a plain classifier."""
    network = dict(type='luminet_det.SmallNet', width=width, num_classes=num_classes)
    preprocessor = dict(mean=mean, std=std)
    return dict(type='luminet_det.Classifier', network=network, data_preprocessor=preprocessor) | changes


def save_teacher(path: Path, config: dict | None = None, classes=None, seed: int = 1) -> dict:
    """Write the checkpoint of a randomly initialised teacher; returns its `teacher=` setting."""
    config = config or setting(width=12)
    model = build(config, seed)
    meta = dict(dataset_meta=dict(classes=classes)) if classes else {}
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return dict(config=config, checkpoint=str(path))


def distilling(teacher, distill=None, **changes) -> dict:
    """The config of a distilling classifier; LumiNet on the logits unless other terms are given."""
    if distill is None:
        distill = [dict(tap='logits', loss=dict(type='luminet_det.LumiNetLoss'))]
    return setting(**changes) | dict(type='luminet_det.DistillClassifier', teacher=teacher, distill=distill)


def build(config: dict, seed: int = 0):
    torch.manual_seed(seed)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def batch(images: int = 8, views: int = 1, classes: int = 4, seed: int = 0) -> dict:
    """A batch of random images, as a dataloader gives it."""
    generator = torch.Generator().manual_seed(seed)
    return dict(
        inputs=torch.randint(256, (views * images, 3, 16, 16), generator=generator, dtype=torch.uint8),
        labels=torch.randint(classes, (images,), generator=generator),
        index=torch.arange(images),
    )


def losses(model, data: dict | None = None) -> dict:
    """The losses of one training step, without updating the weights."""
    data = model.data_preprocessor(dict(data or batch()), True)
    return model(**data, mode='loss')


def runner_config(folder: Path, model: dict, epochs: int = 2, **changes) -> Path:
    """Write the config of a run on 24 images of 4 classes, with the hooks of configs/_base_/cifar100.py."""
    folder.mkdir(parents=True, exist_ok=True)
    written.npz(folder / 'images.npz')
    cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'cifar100.py')
    cfg.model = Config(model)._cfg_dict
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(folder / 'images.npz')
        loader.batch_size = 8
    cfg.train_cfg.max_epochs = epochs
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.interval = 1
    cfg.default_hooks.checkpoint.max_keep_ckpts = -1
    cfg.custom_imports = dict(imports=['tests.classification.small'])
    cfg.merge_from_dict(changes)
    path = folder / 'small.py'
    cfg.dump(path)
    return path


def normalised(images: torch.Tensor, mean=MEAN, std=STD) -> torch.Tensor:
    """uint8 images normalised for a network, computed with numpy."""
    shaped = (np.asarray(value, np.float32).reshape(1, 3, 1, 1) for value in (mean, std))
    mean, std = shaped
    return torch.from_numpy((images.numpy().astype(np.float32) - mean) / std)
