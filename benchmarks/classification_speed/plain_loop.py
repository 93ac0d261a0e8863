"""PlainLoop: LumiNet trained by a plain PyTorch script."""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

MEAN, STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)


class PlainLoop:
    """The training step of typical research code on CIFAR-100, such as mdistiller's, rewritten here.

    Images go one by one through PIL in worker processes; both networks run eagerly in float32 and NCHW; the loss is
    written in plain operations; loss, top-1 and top-5 are read in every step.

    Args:
        student: Trained network; returns `Outputs`.
        teacher: Frozen network.
        images: uint8 (N, 32, 32, 3).
        labels: int64 (N,).
        device: Where to train.
        batch_size: Images of a step.
        workers: Loader processes; mdistiller has 2 by default.
        alpha: LumiNet's weight is its square.
        tau: LumiNet's temperature.
        ce_weight: Weight of the cross-entropy.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        images: np.ndarray,
        labels: np.ndarray,
        device: torch.device,
        batch_size: int = 64,
        workers: int = 2,
        alpha: float = 35.0,
        tau: float = 4.0,
        ce_weight: float = 2.0,
    ) -> None:
        self.student, self.teacher = student.to(device).train(), teacher.to(device).eval()
        self.device, self.alpha, self.tau, self.ce_weight = device, alpha, tau, ce_weight
        self.optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        self.loader = DataLoader(
            Pictures(images, labels),
            batch_size,
            shuffle=True,
            num_workers=workers,
            # As in our runs here: the last batch of an epoch is smaller, and would be compiled while others are timed.
            drop_last=True,
            # mdistiller restarts its processes each epoch; here that is not counted.
            persistent_workers=workers > 0,
        )
        self.meters = {name: Meter() for name in ('loss', 'top1', 'top5')}
        self._batches = self._endless()

    def run(self, steps: int) -> None:
        """Train for some steps."""
        for _ in range(steps):
            self.step(*next(self._batches))

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One training step, and its meters."""
        images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
        self.optimizer.zero_grad()
        logits = self.student(images).logits
        with torch.no_grad():
            theirs = self.teacher(images).logits
        # The weight in the first of 20 epochs of warm-up.
        loss = self.ce_weight * F.cross_entropy(logits, labels) + luminet(logits, theirs, self.alpha, self.tau) / 20
        loss.backward()
        self.optimizer.step()
        top1, top5 = accuracy(logits, labels)
        for name, value in (('loss', loss), ('top1', top1), ('top5', top5)):
            self.meters[name].update(value.item(), len(images))

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader


class Pictures(Dataset):
    """Images that are augmented one by one."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[i])), int(self.labels[i])


class Meter:
    """A running mean."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, value: float, count: int) -> None:
        self.total += value * count
        self.count += count

    @property
    def mean(self) -> float:
        return self.total / self.count


def luminet(student: Tensor, teacher: Tensor, alpha: float, tau: float) -> Tensor:
    """LumiNet's loss of logits (B, C) in plain operations (Eq. 3 and 4), with the authors' eps, weight and mean."""
    student, teacher = (
        (logits - logits.mean(0)) / torch.sqrt(logits.var(0, unbiased=False) + 1e-5) / tau
        for logits in (student, teacher)
    )
    divergence = F.kl_div(F.log_softmax(student, dim=1), F.softmax(teacher, dim=1), reduction='batchmean')
    return alpha**2 * divergence


def accuracy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Top-1 and top-5 in percent."""
    right = logits.topk(5, dim=1).indices == labels[:, None]
    return 100 * right[:, 0].float().mean(), 100 * right.any(1).float().mean()
