"""LumiNet: each class's logits are standardised over the batch before student and teacher are compared."""

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable
from torch.nn.functional import log_softmax, softplus

from .rows import ClassRowLoss, full_precision
from .settings import flag, positive


def perception(logits: Tensor, eps: float = 1e-5) -> Tensor:
    """Standardise each class over the rows (Eq. 3): ``h = (z - mean_j(z)) / sqrt(var_j(z) + eps)``.

    The gradient flows through mean and variance. The paper leaves the variance's estimator open and has no
    eps; like the authors' code this is the population variance, with eps inside the root.

    Args:
        logits: Raw logits (K, C). Half precision is computed and returned in float32.
        eps: Added to the variance: a constant column becomes 0, up to rounding, and its gradient stays finite.

    Returns:
        The perceptions (K, C).
    """
    logits = full_precision(logits)
    rows = max(len(logits), 1)
    # Squares of centred values: the mean of squares minus the squared mean would cancel for large logits.
    centred = logits - logits.sum(0) / rows
    return centred * torch.rsqrt(centred.square().sum(0) / rows + eps)


class LumiNetLoss(ClassRowLoss):
    """LumiNet: the KL divergence between the perceptions of teacher and student (Eq. 4).

    ``loss_weight / K * sum_k KL(softmax(h_teacher_k / tau) || softmax(h_student_k / tau))``

    Source: Hossain et al., "LumiNet: The Bright Side of Perceptual Knowledge Distillation", arXiv 2310.03669.
    The paper sums over the rows and names no weight; the authors' code takes the mean over the rows, has no
    factor `tau**2` and multiplies by alpha**2. This loss follows the code, and `loss_weight` is that alpha**2.
    It does not see the scale and offset of a class: another loss on the raw logits has to determine them.

    Dense heads (`use_sigmoid=True`) decide each class independently: a row is not a distribution over classes that a
    softmax could compare, and has no background column. There each class is standardised over the rows in the same way,
    and a row's divergence is the sum over its classes of the binary KL between sigmoid(h_teacher / tau) and
    sigmoid(h_student / tau). After standardising, a class that is absent from nearly all rows still shows which rows
    are more like it; its raw probabilities are all near 0, where a binary KL has almost no gradient.

    Several processes: by default each standardises its own rows. With `sync=True` mean, variance and K are
    those of all rows together, and N processes under DistributedDataParallel (DDP) equal one with all rows:

    - Each returns N / K_all times the sum over its own rows, so that the mean of the N values is the loss.
    - DDP averages the parameters' gradients, so each process needs the gradient of the *sum* of the N values
      with respect to its own logits. The values meet in the statistics only; there the gradient sums over all.

    Every process must then call this loss, even without rows.

    Args:
        tau: Temperature; perceptions are divided by it before they become probabilities. Published: 4 or 8
            (CIFAR-100), 0.7 (ImageNet). Default: 2, with `use_sigmoid` 1.
        loss_weight: Factor on the returned value. Published: 33**2 to 75**2 (CIFAR-100), 2**2 (ImageNet). Default:
            16, with `use_sigmoid` 1. These defaults were found best on RoIs (docs/roi_study.md) and on dense heads
            (configs/digits/README.md).
        eps: Added to each class's variance. A larger eps damps classes whose logits hardly vary. Default: 1e-5, as in
            the authors' code; with `use_sigmoid` 1. A dense head starts with all logits near one prior value; divided
            by such a small deviation, their gradient drowns that of the focal loss (benchmarks/results/dense_grid.md).
        sync: Take the statistics over all processes. Without a process group it changes nothing.
        use_sigmoid: Whether each class is an independent yes-or-no decision, as in dense heads.

    Raises:
        ValueError: If `tau` or `eps` is not positive, or `loss_weight` is negative.
    """

    symbols = {'alpha': 'loss_weight, which is alpha squared'}

    def __init__(
        self,
        tau: float | None = None,
        loss_weight: float | None = None,
        eps: float | None = None,
        sync: bool = False,
        use_sigmoid: bool = False,
    ) -> None:
        best_tau, best_weight = (1.0, 1.0) if use_sigmoid else (2.0, 16.0)
        super().__init__(
            best_tau if tau is None else tau, best_weight if loss_weight is None else loss_weight, use_sigmoid
        )
        self.eps = positive('eps', (1.0 if use_sigmoid else 1e-5) if eps is None else eps)
        self.sync = flag('sync', sync)

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        sync = self.sync and dist.is_available() and dist.is_initialized()
        return _PerceptionKL.apply(student, teacher, self.tau, self.eps, self.use_sigmoid, sync)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, eps={self.eps:g}, sync={self.sync}'


class _PerceptionKL(torch.autograd.Function):
    """The mean over rows of the KL between the perceptions, with its gradient written out.

    With h = perception / tau, q and p the probabilities of student and teacher, g = q - p is the gradient of the
    KL with respect to h_student, for softmax and sigmoid alike. Let r = 1 / sqrt(var + eps) / tau and means be over
    the rows: the gradient with respect to the student's logits is ``r * (g - mean(g) - tau**2 * h * mean(g * h))``.

    All of it is known in the forward pass, so this gradient is the only (K, C) tensor kept for backward, where
    autograd would keep five. With thousands of classes these tensors are the main cost of the loss.
    """

    @staticmethod
    def forward(ctx, student: Tensor, teacher: Tensor, tau: float, eps: float, use_sigmoid: bool, sync: bool) -> Tensor:
        (student, teacher), scale, rows = _softened((student, teacher), tau, eps, sync)
        value, gradient = (_binary_kl if use_sigmoid else _kl)(student, teacher)
        share = (dist.get_world_size() if sync else 1) / rows
        if ctx.needs_input_grad[0]:
            totals = _reduced(torch.stack([gradient.sum(0), (gradient * student).sum(0)]), sync)
            offset, slope = totals / rows
            gradient.addcmul_(student, slope * tau**2, value=-1).sub_(offset).mul_(scale * share)
            ctx.save_for_backward(gradient)
        return value * share

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream, None, None, None, None, None


def _softened(networks: tuple[Tensor, ...], tau: float, eps: float, sync: bool) -> tuple[list[Tensor], Tensor, Tensor]:
    """h of each network, the first one's r, and the number of rows (at least 1)."""
    classes = networks[0].shape[1]
    totals = [logits.sum(0) for logits in networks]
    # One collective serves both networks.
    totals = _reduced(torch.cat([*totals, totals[0].new_full((1,), len(networks[0]))]), sync)
    rows = totals[-1].clamp(min=1)
    means = (totals[:-1] / rows).split(classes)
    centred = [logits - mean for logits, mean in zip(networks, means, strict=True)]
    squares = _reduced(torch.cat([torch.linalg.vector_norm(values, dim=0).square() for values in centred]), sync)
    scales = (torch.rsqrt(squares / rows + eps) / tau).split(classes)
    return [values.mul_(scale) for values, scale in zip(centred, scales, strict=True)], scales[0], rows


def _kl(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """KL(softmax(teacher) || softmax(student)), summed, and its gradient with respect to `student`."""
    student, teacher = log_softmax(student, dim=1), log_softmax(teacher, dim=1)
    difference = teacher - student
    probability = teacher.exp_()
    return difference.mul_(probability).sum(), student.exp_().sub_(probability)


def _binary_kl(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """KL(sigmoid(teacher) || sigmoid(student)), summed, and its gradient with respect to `student`."""
    probability = teacher.sigmoid()
    # p log(p / q) + (1 - p) log((1 - p) / (1 - q)), without a logarithm of a probability.
    value = (teacher - student).mul_(probability).add_(softplus(student)).sub_(softplus(teacher)).sum()
    return value, student.sigmoid().sub_(probability)


def _reduced(totals: Tensor, sync: bool) -> Tensor:
    """The sum over all processes."""
    if sync:
        dist.all_reduce(totals)
    return totals
