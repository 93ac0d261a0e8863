"""Pair: a student and a teacher from configs/cifar100, and what both ways of training share."""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from benchmarks.classification_speed.plain_loop import PlainLoop
from benchmarks.classification_speed.sliced_run import SlicedRun
from luminet_det.classification.data import CIFAR100

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs' / 'cifar100'
DATA = ROOT / 'data' / 'cifar100'


class Pair:
    """Networks, images and the teacher's weights.

    Args:
        name: `<student>-<teacher>`.
        folder: Where weights, images and logs go.
        images: Number of random images that replace CIFAR-100's if it is not in data/cifar100.
    """

    def __init__(self, name: str, folder: Path, images: int = 50_000) -> None:
        self.name, self.folder = name, folder
        self.student, self.teacher = name.split('-')
        self.data_root, self.real = DATA, True
        try:
            CIFAR100(str(DATA))
        except FileNotFoundError:
            self.data_root, self.real = folder / 'images', False
            random_images(self.data_root, images)
        self.weights = folder / 'teacher.pth'
        self._make_teacher()

    def _make_teacher(self) -> None:
        # Untrained, but with statistics of the images: without them activations overflow in half precision.
        torch.manual_seed(0)
        teacher = self.network(self.teacher).train()
        for module in teacher.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        pixels = torch.from_numpy(self.images()[0][:64]).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            teacher((pixels - 120) / 68)
        state = {f'network.{key}': value for key, value in teacher.state_dict().items()}
        torch.save(dict(state_dict=state), self.weights)

    def network(self, name: str) -> torch.nn.Module:
        return MODELS.build(dict(type=f'luminet_det.{name}', num_classes=100))

    def images(self) -> tuple[np.ndarray, np.ndarray]:
        """The training images uint8 (N, 32, 32, 3) and labels int64 (N,)."""
        source = CIFAR100(str(self.data_root)).source
        return source.images, np.asarray(source.labels, dtype=np.int64)

    def plain(self, device: torch.device, workers: int, batch_size: int) -> PlainLoop:
        """The plain loop, with the loss's settings of our config."""
        teacher = self.network(self.teacher)
        weights = torch.load(self.weights, weights_only=True)['state_dict']
        teacher.load_state_dict({key.removeprefix('network.'): value for key, value in weights.items()})
        model = Config.fromfile(CONFIGS / f'luminet_{self.name}.py').model
        loss = model.distill[0].loss
        settings = dict(alpha=loss.loss_weight**0.5, tau=loss.tau, ce_weight=model.ce_weight)
        student = self.network(self.student)
        return PlainLoop(student, teacher, *self.images(), device, batch_size, workers, **settings)

    def run(self, config: str, label: str, batch_size: int = 64, options: dict | None = None, flags=()) -> SlicedRun:
        """Our run of a config of configs/cifar100, e.g. `luminet_resnet20-resnet56`."""
        data = {f'{split}_dataloader.dataset.data_root': str(self.data_root) for split in ('train', 'val', 'test')}
        loader = {'train_dataloader.batch_size': batch_size, 'train_dataloader.drop_last': True}
        changes = {**data, **loader, **(options or {})}
        if '-' in config:
            teacher = Config.fromfile(CONFIGS / f'{self.teacher}.py').model
            teacher.channels_last = changes.get('model.channels_last', teacher.channels_last)
            changes |= {
                'model.teacher.config': dict(teacher, _delete_=True),
                'model.teacher.checkpoint': str(self.weights),
            }
        return SlicedRun(CONFIGS / f'{config}.py', self.folder / label.replace(' ', '_'), changes, flags)


def random_images(folder: Path, count: int) -> None:
    """Write an .npz of random images in CIFAR-100's layout."""
    draw = np.random.default_rng(0)
    arrays = {}
    for split, number in (('train', count), ('test', max(count // 5, 100))):
        arrays[f'{split}_images'] = draw.integers(0, 256, (number, 32, 32, 3), dtype=np.uint8)
        arrays[f'{split}_labels'] = np.arange(number) % 100
    folder.mkdir(parents=True)
    np.savez(folder / 'cifar100.npz', **arrays)
