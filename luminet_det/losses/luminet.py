"""LumiNet: each class's logits are standardised over the batch before student and teacher are compared."""

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable
from torch.nn.functional import log_softmax

from .rows import RowLoss, full_precision, positive, summed_kl


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
    return _Perception.apply(full_precision(logits), 1.0, eps, False)[0]


class LumiNetLoss(RowLoss):
    """LumiNet: the KL divergence between the perceptions of teacher and student (Eq. 4).

    ``loss_weight / K * sum_k KL(softmax(h_teacher_k / tau) || softmax(h_student_k / tau))``

    Source: Hossain et al., "LumiNet: The Bright Side of Perceptual Knowledge Distillation", arXiv 2310.03669.
    The paper sums over the rows and names no weight; the authors' code takes the mean over the rows, has no
    factor `tau**2` and multiplies by alpha**2. The code is followed, and `loss_weight` is that alpha**2.
    Scale and offset of a class do not matter here: another loss on the raw logits has to fix them.

    Several processes: by default each standardises its own rows. With `sync=True` mean, variance and K are
    those of all rows together, and N processes under DistributedDataParallel (DDP) equal one with all rows:

    - Each returns N / K_all times the sum over its own rows, so that the mean of the N values is the loss.
    - DDP averages the parameters' gradients, so each process needs the gradient of the *sum* of the N values
      with respect to its own logits. The values meet in the statistics only; there backward sums over all.

    Every process must then call this loss and run backward through it, even without rows.

    Args:
        tau: Temperature; perceptions are divided by it before the softmax. Published: 4 or 8 (CIFAR-100),
            0.7 (ImageNet).
        loss_weight: Factor on the returned value. Published: 33**2 to 75**2 (CIFAR-100), 2**2 (ImageNet).
        eps: Added to each class's variance. Larger damps classes whose logits hardly vary.
        sync: Take the statistics over all processes. Without a process group it changes nothing.

    Raises:
        ValueError: If `tau` or `eps` is not positive, or `loss_weight` is negative.
    """

    def __init__(self, tau: float = 1.0, loss_weight: float = 4.0, eps: float = 1e-5, sync: bool = False) -> None:
        super().__init__(tau, loss_weight)
        self.eps = positive('eps', eps)
        self.sync = sync

    def divergence(self, student: Tensor, teacher: Tensor, target: Tensor | None) -> Tensor:
        if self.sync and dist.is_available() and dist.is_initialized():
            # Columns are independent, so side by side the two networks share each collective.
            both, rows = _Perception.apply(torch.cat([student, teacher], dim=1), self.tau, self.eps, True)
            student, teacher = both.chunk(2, dim=1)
            kl = summed_kl(log_softmax(student, dim=1), log_softmax(teacher.detach(), dim=1))
            return kl * dist.get_world_size() / rows
        teacher_log = log_softmax(_Perception.apply(teacher, self.tau, self.eps, False)[0], dim=1)
        student, rows = _Perception.apply(student, self.tau, self.eps, False)
        return summed_kl(log_softmax(student, dim=1), teacher_log) / rows

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, eps={self.eps:g}, sync={self.sync}'


class _Perception(torch.autograd.Function):
    """h / tau (Eq. 3), and the number of rows it was taken over (at least 1).

    With r = 1 / sqrt(var + eps), g the gradient with respect to h, and means over the rows, the gradient with
    respect to z is ``r * (g - mean(g) - h * mean(g * h))``. It is written out because autograd takes more
    passes over (K, C), and a collective for the mean and one for the variance.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, tau: float, eps: float, sync: bool) -> tuple[Tensor, Tensor]:
        totals = torch.cat([logits.sum(0), logits.new_full((1,), len(logits))])
        if sync:
            dist.all_reduce(totals)
        rows = totals[-1].clamp(min=1)
        # Squares of centred values: the mean of squares minus the squared mean would cancel for large logits.
        centred = logits - totals[:-1] / rows
        squares = centred.square().sum(0)
        if sync:
            dist.all_reduce(squares)
        scale = torch.rsqrt(squares / rows + eps) / tau
        # Not in place: a compiled graph would hand backward the tensor as it was before.
        softened = centred * scale
        ctx.save_for_backward(softened, scale, rows)
        ctx.tau, ctx.sync = tau, sync
        ctx.mark_non_differentiable(rows)
        return softened, rows

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor, _) -> tuple[Tensor, None, None, None]:
        softened, scale, rows = ctx.saved_tensors
        totals = torch.stack([gradient.sum(0), (gradient * softened).sum(0)])
        if ctx.sync:
            dist.all_reduce(totals)
        offset, slope = totals / rows
        logits_gradient = torch.addcmul(gradient, softened, slope * ctx.tau**2, value=-1)
        return logits_gradient.sub_(offset).mul_(scale), None, None, None
