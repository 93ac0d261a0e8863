"""CRD: an image's embeddings by student and teacher are alike, and unlike those of images of other classes."""

import math
from numbers import Integral

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .contrast_memory import ContrastMemory
from .embeddings import EmbeddingLoss
from .negatives import Negatives
from .rows import full_precision, unit
from .settings import not_negative, positive


class CRDLoss(EmbeddingLoss):
    """Contrastive representation distillation.

    Each network's embedding g (B, D) goes through a learned linear layer: ``v = n(W g + b)`` (B, dim), n the division
    by the Euclidean norm. For each image of the training set a memory keeps a running v of each network. With image i
    of the batch, K negatives k of other classes, N images in all and m the other network's memory::

        o_ij   = exp(v_i . m_j / tau) / Z,                c = K / N
        anchor = -1 / B * sum_i [ log(o_ii / (o_ii + c + 1e-7)) + sum_k log(c / (o_ik + c + 1e-7)) ]
        loss   = loss_weight * (anchor of the student + anchor of the teacher)

    After that the memories are updated: ``m_i <- n(momentum * m_i + (1 - momentum) * v_i)``. In eval mode they are not.
    Z, one for each anchor, is N times the mean of the first batch's ``exp(v . m / tau)`` and is constant from then on.

    Source: Tian et al., "Contrastive Representation Distillation", ICLR 2020, arXiv 1910.10699. The paper's
    probability has neither Z nor 1e-7; the authors' code, from which the published numbers come, has both and is
    followed. Their data loader draws each row's negatives by itself; here a step's rows share one draw, with the same
    distribution for each row (see `Negatives`). n has no epsilon; a zero vector stays zero. Published for
    CIFAR-100: the defaults, on the pooled features. ImageNet needs `num_samples=1281167`.

    Several processes: each returns the mean over its own rows and draws its own negatives. In each step they exchange
    indices and embeddings and make the same updates, so the memories stay equal everywhere; an image that is in several
    rows is updated by the first of them. Z comes from the first batches of all processes. Later batches of a process
    may be smaller than the largest of these, or empty, but not larger.

    Args:
        num_samples: N, the number of training images. The memories take 8 * dim bytes for each.
        dim: Size of v.
        num_negatives: K. A class with fewer images of other classes draws them with replacement.
        tau: Temperature of the scores. Lower makes the nearest negatives count more.
        momentum: Weight of the old memory at each update, at least 0 and below 1.
        loss_weight: Factor on the returned value.

    Raises:
        ValueError: If a count is not a positive integer, `tau` is not positive, `momentum` is not in [0, 1), or
            `loss_weight` is negative.
    """

    symbols = {
        'n_data': 'num_samples',
        'nce_k': 'num_negatives',
        'nce_t': 'tau',
        'nce_m': 'momentum',
        'feat_dim': 'dim',
    }
    needs = ('index', 'training_labels')

    def __init__(
        self,
        num_samples: int = 50000,
        dim: int = 128,
        num_negatives: int = 16384,
        tau: float = 0.07,
        momentum: float = 0.5,
        loss_weight: float = 0.8,
    ) -> None:
        super().__init__(loss_weight)
        self.num_samples = _count('num_samples', num_samples)
        self.dim = _count('dim', dim)
        self.num_negatives = _count('num_negatives', num_negatives)
        self.tau = positive('tau', tau)
        self.momentum = not_negative('momentum', momentum)
        if momentum >= 1:
            raise ValueError(f'momentum must be below 1, or the memories never move; got momentum={momentum!r}')
        self.embed = self.memory = self._negatives = None

    def adapt(self, student: Tensor, teacher: Tensor) -> None:
        """Build the linear layers and the memories.

        Args:
            student: Embeddings (B, D_s), any B.
            teacher: Embeddings (B, D_t).

        Raises:
            ValueError: If these are not embeddings of the same images.
        """
        self.require_embeddings(student, teacher)
        options = dict(device=student.device, dtype=full_precision(student).dtype)
        self.embed = nn.ModuleList(nn.Linear(g.shape[1], self.dim, **options) for g in (student, teacher))
        self.memory = ContrastMemory(self.num_samples, self.dim, self.num_negatives, self.tau, self.momentum, **options)

    def forward(
        self, student: Tensor, teacher: Tensor, *, index: Tensor | None = None, training_labels: Tensor | None = None
    ) -> Tensor:
        """Compare two networks' embeddings of the same images.

        Args:
            student: (B, D_s).
            teacher: (B, D_t); detached here.
            index: Place of each image in the training set (B,), int64.
            training_labels: Class of every image of the training set (num_samples,), int64, on the embeddings' device.

        Returns:
            A scalar.

        Raises:
            RuntimeError: If `adapt` was not called before.
            ValueError: If the shapes do not fit, or `index` or `training_labels` is missing.
        """
        if self.embed is None:
            raise RuntimeError('CRDLoss has no layers yet: call adapt(student, teacher) with examples before forward')
        self._require(student, teacher, index, training_labels)
        embeddings = [
            layer(full_precision(g)) for layer, g in zip(self.embed, (student, teacher.detach()), strict=True)
        ]
        with torch.autocast(student.device.type, enabled=False):
            anchors = torch.stack([unit(full_precision(v)) for v in embeddings])
            value = self._contrast(anchors, index, training_labels)
            if self.training:
                self.memory.update(anchors.detach(), index)
            return self.loss_weight * value

    def _contrast(self, anchors: Tensor, index: Tensor, labels: Tensor) -> Tensor:
        """The unweighted loss of both anchors (2, B, dim)."""
        first = not self.memory.met
        if first:
            self.memory.meet(len(index))
        # The task passes the same tensor in each step.
        if self._negatives is None or self._negatives.labels is not labels:
            self._negatives = Negatives(labels, self.num_negatives)
        candidates, times = self._negatives.draw(index)
        anchors = anchors / self.tau
        positives = (anchors * self.memory.keys(index)).sum(2)
        keys = self.memory.keys(candidates).transpose(1, 2)
        if first:
            self.memory.settle(positives.detach(), anchors.detach() @ keys, times)
        # With a = c + 1e-7 and x = log(o / a): o / (o + a) = sigmoid(x), and c / (o + a) = c / a * sigmoid(-x).
        share = self.num_negatives / self.num_samples
        shift = (self.memory.log_z + math.log(share + 1e-7)).unsqueeze(1)
        negatives = torch.baddbmm(-shift.unsqueeze(2), anchors, keys)
        total = softplus(shift - positives).sum() + (softplus(negatives) * times).sum()
        rows = len(index)
        return total / max(rows, 1) + (2 * self.num_negatives * math.log1p(1e-7 / share) if rows else 0.0)

    def _require(self, student: Tensor, teacher: Tensor, index: Tensor | None, labels: Tensor | None) -> None:
        """Raise ValueError unless the inputs fit each other and the layers."""
        self.require_embeddings(student, teacher)
        found, known = (student.shape[1], teacher.shape[1]), tuple(layer.in_features for layer in self.embed)
        if found != known:
            raise ValueError(f'CRDLoss was adapted to embeddings of sizes {known}, of student and teacher; got {found}')
        if index is None or index.shape != student.shape[:1]:
            raise ValueError(
                f'CRDLoss needs index, the place of each of the {len(student)} images in the training set; got '
                f'{None if index is None else tuple(index.shape)}. luminet_det.LabelledImages gives it; a custom '
                'dataset has to add it to each sample: dict(inputs=..., labels=..., index=i)'
            )
        if labels is None or labels.shape != (self.num_samples,):
            raise ValueError(
                f'CRDLoss needs training_labels, the class of each of its num_samples={self.num_samples} training '
                f'images; got {None if labels is None else tuple(labels.shape)}'
                + (
                    f'. Set num_samples={len(labels)} in the loss, for example by --cfg-options '
                    f'model.distill.0.loss.num_samples={len(labels)} for the first term'
                    if labels is not None and labels.dim() == 1
                    else ''
                )
            )

    def extra_repr(self) -> str:
        return (
            f'num_samples={self.num_samples}, dim={self.dim}, num_negatives={self.num_negatives}, tau={self.tau:g}, '
            f'momentum={self.momentum:g}, loss_weight={self.loss_weight:g}'
        )


def _count(name: str, value: int) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f'{name} must be an integer, 1 or above, got {name}={value!r}')
    return int(value)
