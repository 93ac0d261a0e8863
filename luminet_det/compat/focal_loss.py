"""Focal losses (arXiv:1708.02002, eq. 5) under mmcv's names and signatures.

They are written in torch because torchvision's focal loss has no softmax form, no class weights and no closed-form
gradient, which mmcv's autograd functions need. Log-probabilities are computed from logits where these are given, so a
saturated prediction has a finite loss and gradient.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from luminet_det.compat.precision import widened


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N, C) with the loss of C binary problems per row.

    -alpha (1 - p)^gamma log p where c is the row's target, -(1 - alpha) p^gamma log(1 - p) elsewhere,
    p = sigmoid(input). A target outside 0 .. C-1 (background) makes the row negative in every class.

    Args:
        input: logits (N, C).
        target: (N,) long.
        weight: (C,) weight of a row by its target, or empty; a background row weighs 1.
    """
    (logits,) = widened(input)
    as_positive = -alpha * torch.sigmoid(-logits) ** gamma * F.logsigmoid(logits)
    as_negative = -(1 - alpha) * torch.sigmoid(logits) ** gamma * F.logsigmoid(-logits)
    loss = torch.where(_is_target(logits, target), as_positive, as_negative)
    output.copy_(loss * _row_weight(weight, target)[:, None])


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` (N, C) with the derivative of the forward's loss with respect to its logits.

    -alpha (1 - p)^gamma (1 - p - gamma p log p) for the target,
    -(1 - alpha) p^gamma (gamma (1 - p) log(1 - p) - p) elsewhere.
    """
    (logits,) = widened(input)
    p, q = torch.sigmoid(logits), torch.sigmoid(-logits)
    as_positive = -alpha * q**gamma * (q - gamma * p * F.logsigmoid(logits))
    as_negative = -(1 - alpha) * p**gamma * (gamma * q * F.logsigmoid(-logits) - p)
    grad = torch.where(_is_target(logits, target), as_positive, as_negative)
    grad_input.copy_(grad * _row_weight(weight, target)[:, None])


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N,) with -alpha (1 - p)^gamma log p, p the target's probability.

    Args:
        input: probabilities (N, C), softmax already taken.
        target: (N,) long; a row with a negative target has no loss.
        weight: (C,) weight of a row by its target, or empty.
    """
    (probs,) = widened(input)
    p = _target_prob(probs, target)
    loss = -alpha * (1 - p) ** gamma * _log(p)
    output.copy_(loss * _row_weight(weight, target) * (target >= 0))


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Fill ``grad_input`` (N, C) with the derivative of the forward's loss with respect to the softmax's logits.

    ``buff`` (N,) receives p dL/dp = alpha (gamma (1 - p)^(gamma - 1) p log p - (1 - p)^gamma); the gradient
    of class c is buff ([c is the target] - softmax_c).
    """
    (probs,) = widened(input)
    p = _target_prob(probs, target)
    rest = 1 - p
    # At p = 1 the power of gamma - 1 < 0 is infinite and log p is 0: their product tends to 0, never to NaN.
    power = rest.clamp(min=torch.finfo(rest.dtype).tiny) ** (gamma - 1)
    slope = alpha * (gamma * power * p * _log(p) - rest**gamma)
    slope = slope * _row_weight(weight, target) * (target >= 0)
    buff.copy_(slope)
    grad_input.copy_(slope[:, None] * (_is_target(probs, target).to(probs.dtype) - probs))


def _is_target(scores: Tensor, target: Tensor) -> Tensor:
    """(N, C) booleans, true where the column is the row's target."""
    return torch.arange(scores.size(1), device=scores.device) == target[:, None]


def _target_prob(probs: Tensor, target: Tensor) -> Tensor:
    """The target's probability, (N,); that of class 0 in rows without a target, which the caller masks."""
    return probs.gather(1, target.clamp(min=0)[:, None]).squeeze(1)


def _log(p: Tensor) -> Tensor:
    """log p, finite at p = 0."""
    return p.clamp(min=torch.finfo(p.dtype).tiny).log()


def _row_weight(weight: Tensor, target: Tensor) -> Tensor:
    """(N,) weight of each row: that of its target, or 1 if there are no weights or the target is not a class."""
    if weight.numel() == 0:
        return torch.ones_like(target, dtype=torch.float32)
    (weight,) = widened(weight)
    known = (target >= 0) & (target < len(weight))
    return torch.where(known, weight[target.clamp(0, len(weight) - 1)], 1)
