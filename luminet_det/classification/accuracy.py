"""Accuracy: top-1 and top-5."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from luminet_det.classification.label_guard import refuse
from luminet_det.registry import METRICS


@METRICS.register_module()
class Accuracy(BaseMetric):
    """Percentage of images whose label is among the k highest logits.

    Ties are broken by class index, as `argmax` does: if all logits are equal, the prediction is class 0.

    Args:
        topk: One k or several; a k above the number of classes gives 100.
        **kwargs: As `mmengine.evaluator.BaseMetric`.

    Raises:
        ValueError: `topk` is empty or has a number below 1, or a label is outside the classes.
    """

    default_prefix = 'accuracy'

    def __init__(self, topk: int | Sequence[int] = (1, 5), **kwargs) -> None:
        super().__init__(**kwargs)
        self.topk = (topk,) if isinstance(topk, int) else tuple(topk)
        if not self.topk or not all(isinstance(k, int) and k > 0 for k in self.topk):
            raise ValueError(f'Accuracy.topk={topk!r}: expected whole numbers of 1 or more, e.g. (1, 5).')

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Store, for each image, how many classes rank before its label."""
        for batch in data_samples:
            logits, labels = batch['logits'], batch['labels']
            refuse(labels, batch.get('index'), logits.shape[1])
            self.results += ranks(logits, labels).tolist()

    def compute_metrics(self, results: list[int]) -> dict[str, float]:
        """Top-k accuracies in percent, e.g. `{'top1': 72.5, 'top5': 92.1}`."""
        found = torch.tensor(results)
        return {f'top{k}': round((found < k).float().mean().item() * 100, 4) for k in self.topk}


def ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """How many classes rank before each image's label; 0 means that the prediction is right.

    Args:
        logits: (..., N, C).
        labels: (N,).

    Returns:
        (..., N), int64; the largest int64 where a logit is not finite.
    """
    places = labels.expand(logits.shape[:-1])[..., None]
    own = logits.gather(-1, places)
    earlier = torch.arange(logits.shape[-1], device=logits.device) < places
    before = (logits > own) | ((logits == own) & earlier)
    # Comparisons with NaN are false: an image whose label has a NaN logit would always count as right.
    return before.sum(-1).masked_fill(~logits.isfinite().all(-1), torch.iinfo(torch.int64).max)
