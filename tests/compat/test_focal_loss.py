"""Focal losses compared with loops over rows and classes."""

import importlib
import math

import pytest
import torch

from luminet_det.compat import mmcv_ops

mmcv_ops.install()
ops = importlib.import_module('mmcv.ops')

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)]
DTYPES = [torch.float32, torch.float64]
HALF = [torch.float16, torch.bfloat16]
CLASSES = 4
WEIGHT = (0.5, 2.0, 0.0, 1.5)


def reference_sigmoid(logits, target, gamma, alpha, weight=None):
    loss = torch.zeros_like(logits)
    for n, row in enumerate(logits.tolist()):
        label = int(target[n])
        for c, x in enumerate(row):
            p = 1 / (1 + math.exp(-x))
            if c == label:
                loss[n, c] = -alpha * (1 - p) ** gamma * math.log(p)
            else:
                loss[n, c] = -(1 - alpha) * p**gamma * math.log(1 - p)
            if weight is not None and 0 <= label < CLASSES:
                loss[n, c] *= weight[label]
    return loss


def reference_softmax(logits, target, gamma, alpha, weight=None):
    loss = logits.new_zeros(len(logits))
    for n, row in enumerate(logits.tolist()):
        label = int(target[n])
        if label < 0:
            continue
        p = math.exp(row[label]) / sum(math.exp(x) for x in row)
        loss[n] = -alpha * (1 - p) ** gamma * math.log(p) * (1 if weight is None else weight[label])
    return loss


LOSSES = {
    'sigmoid': (ops.sigmoid_focal_loss, reference_sigmoid),
    'softmax': (ops.softmax_focal_loss, reference_softmax),
}


def example(kind, dtype=torch.float32, device='cpu'):
    """Logits and targets: rows of every class, and one of background (sigmoid) or an ignored one (softmax)."""
    logits = torch.randn(6, CLASSES, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
    target = torch.tensor([0, 1, 2, 3, CLASSES if kind == 'sigmoid' else -1, 1])
    return logits.to(device, dtype), target.to(device)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(('gamma', 'alpha'), [(2.0, 0.25), (0.0, 0.5), (0.5, 0.9)])
@pytest.mark.parametrize('kind', LOSSES)
def test_loss_equals_the_loop(kind, gamma, alpha, weighted, dtype, device):
    focal_loss, reference = LOSSES[kind]
    logits, target = example(kind, dtype, device)
    weight = torch.tensor(WEIGHT, dtype=dtype, device=device) if weighted else None
    expected = reference(logits, target, gamma, alpha, WEIGHT if weighted else None)
    for reduction, reduced in (('none', expected), ('sum', expected.sum()), ('mean', expected.sum() / 6)):
        torch.testing.assert_close(focal_loss(logits, target, gamma, alpha, weight, reduction), reduced)


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(('gamma', 'alpha'), [(2.0, 0.25), (0.0, 0.5), (0.5, 0.9)])
@pytest.mark.parametrize('kind', LOSSES)
def test_gradient_is_the_derivative_of_the_loss(kind, gamma, alpha, weighted):
    focal_loss, _ = LOSSES[kind]
    logits, target = example(kind, torch.float64)
    weight = torch.tensor(WEIGHT, dtype=torch.float64) if weighted else None
    logits.requires_grad_()
    for reduction in ('mean', 'sum'):
        assert torch.autograd.gradcheck(
            lambda x, r=reduction: focal_loss(x, target, gamma, alpha, weight, r), (logits,)
        )


def test_gradient_of_each_sigmoid_term_is_its_derivative():
    logits, target = example('sigmoid', torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: ops.sigmoid_focal_loss(x, target, 2.0, 0.25, None, 'none'), (logits.requires_grad_(),)
    )


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('gamma', [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize('kind', LOSSES)
def test_saturated_predictions_give_a_finite_loss_and_gradient(kind, gamma, dtype):
    focal_loss, _ = LOSSES[kind]
    logits = (torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=dtype) * 1000).requires_grad_()
    for label in (0, 1):
        loss = focal_loss(logits, torch.tensor([label, label]), gamma, 0.25, None, 'sum')
        (grad,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert grad.isfinite().all()


def test_a_confidently_wrong_sigmoid_still_pulls_back():
    logits = torch.tensor([[-300.0]], requires_grad=True)
    loss = ops.sigmoid_focal_loss(logits, torch.tensor([0]), 2.0, 0.25, None, 'sum')
    loss.backward()
    torch.testing.assert_close(loss, torch.tensor(0.25 * 300))
    torch.testing.assert_close(logits.grad, torch.tensor([[-0.25]]))


def test_background_is_negative_in_every_class_whatever_its_number():
    logits, _ = example('sigmoid')
    losses = [
        ops.sigmoid_focal_loss(logits, torch.full((6,), label), 2.0, 0.25, torch.tensor(WEIGHT), 'none')
        for label in (CLASSES, CLASSES + 3, -1)
    ]
    torch.testing.assert_close(losses[0], reference_sigmoid(logits, [CLASSES] * 6, 2.0, 0.25))
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2])


def test_a_softmax_target_beyond_the_classes_is_an_error():
    logits, _ = example('softmax')
    with pytest.raises((IndexError, RuntimeError), match='out of bounds'):
        ops.softmax_focal_loss(logits, torch.full((6,), CLASSES), 2.0, 0.25, None, 'mean')


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize('kind', LOSSES)
def test_half_types_stay_close_to_float32_under_amp(kind, dtype, device):
    focal_loss, _ = LOSSES[kind]
    logits, target = example(kind, dtype, device)
    logits.requires_grad_()
    with torch.autocast(device, dtype=dtype):
        loss = focal_loss(logits, target, 2.0, 0.25, None, 'mean')
    (grad,) = torch.autograd.grad(loss, logits)
    wide = logits.detach().float().requires_grad_()
    wide_loss = focal_loss(wide, target, 2.0, 0.25, None, 'mean')
    (wide_grad,) = torch.autograd.grad(wide_loss, wide)
    assert loss.dtype == grad.dtype == dtype
    torch.testing.assert_close(loss.float(), wide_loss, rtol=3e-2, atol=1e-3)
    torch.testing.assert_close(grad.float(), wide_grad, rtol=3e-2, atol=2e-3)


@pytest.mark.parametrize('kind', LOSSES)
def test_no_rows_give_no_loss_and_no_gradient(kind):
    focal_loss, _ = LOSSES[kind]
    logits = torch.zeros(0, CLASSES, requires_grad=True)
    loss = focal_loss(logits, torch.zeros(0, dtype=torch.long), 2.0, 0.25, torch.tensor(WEIGHT), 'sum')
    loss.backward()
    assert loss == 0
    assert logits.grad.shape == (0, CLASSES)
