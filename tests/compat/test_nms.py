"""NMS and soft-NMS compared with loops over boxes."""

import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from luminet_det.compat import mmcv_ops

mmcv_ops.install()
ops = importlib.import_module('mmcv.ops')

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)]
HALF = [torch.float16, torch.bfloat16]


def reference_iou(a, b, offset):
    def area(box):
        return (box[2] - box[0] + offset) * (box[3] - box[1] + offset)

    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    inter = max(width, 0) * max(height, 0)
    union = area(a) + area(b) - inter
    return inter / union if union else math.nan


def reference_nms(boxes, scores, iou_threshold, offset):
    boxes, scores = boxes.tolist(), scores.tolist()
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if not any(reference_iou(boxes[i], boxes[k], offset) > iou_threshold for k in kept):
            kept.append(i)
    return kept


def reference_soft_nms(boxes, scores, iou_threshold, sigma, min_score, method, offset):
    boxes, scores = boxes.tolist(), dict(enumerate(scores.tolist()))
    picked = []
    while scores:
        best = max(scores, key=scores.get)
        picked.append((best, *boxes[best], scores.pop(best)))
        for i in list(scores):
            iou = reference_iou(boxes[best], boxes[i], offset)
            if method == 'gaussian':
                scores[i] *= math.exp(-(iou**2) / sigma)
            elif iou >= iou_threshold:
                scores[i] *= 1 - iou if method == 'linear' else 0
            if scores[i] < min_score:
                del scores[i]
    return picked


def random_boxes(count, seed, dtype=torch.float32, device='cpu'):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 20
    size = torch.rand(count, 2, generator=generator) * 20
    boxes, scores = torch.cat([corner, corner + size], dim=1), torch.rand(count, generator=generator)
    return boxes.to(device, dtype), scores.to(device, dtype)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('iou_threshold', [0.0, 0.3, 0.7])
def test_nms_keeps_the_same_boxes_in_the_same_order_as_the_loop(iou_threshold, offset, dtype, device):
    boxes, scores = random_boxes(60, seed=0, dtype=dtype, device=device)
    dets, kept = ops.nms(boxes, scores, iou_threshold, offset=offset)
    assert kept.tolist() == reference_nms(boxes, scores, iou_threshold, offset)
    torch.testing.assert_close(dets, torch.cat([boxes, scores[:, None]], dim=1)[kept])


@settings(max_examples=60, deadline=None)
@given(
    corners=st.lists(st.tuples(*[st.integers(0, 9)] * 4), max_size=12),
    offset=st.sampled_from([0, 1]),
    # What torch 2.5 compiles rounds subnormal numbers to zero from then on, in the whole process.
    iou_threshold=st.floats(0, 1, allow_subnormal=False),
)
def test_nms_agrees_with_the_loop_on_nested_touching_and_flat_boxes(corners, offset, iou_threshold):
    boxes = torch.tensor([(x, y, x + w, y + h) for x, y, w, h in corners], dtype=torch.float64).view(-1, 4)
    scores = torch.arange(len(boxes), dtype=torch.float64)
    _, kept = ops.nms(boxes, scores, iou_threshold, offset=offset)
    assert kept.tolist() == reference_nms(boxes, scores, iou_threshold, offset)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('tenths', range(1, 10))
def test_nms_keeps_a_box_whose_iou_is_exactly_the_threshold(tenths, device):
    # In float32, most tenths are slightly larger than the same number in float64.
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, tenths]], device=device)
    _, kept = ops.nms(boxes, torch.tensor([0.9, 0.8], device=device), tenths / 10)
    assert kept.tolist() == [0, 1]


def test_offset_changes_which_boxes_nms_keeps():
    boxes, scores = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0]]), torch.tensor([0.9, 0.8])
    assert len(ops.nms(boxes, scores, 0.6, offset=0)[1]) == 2  # IoU 1/2
    assert len(ops.nms(boxes, scores, 0.6, offset=1)[1]) == 1  # IoU 4/6


def test_nms_of_equal_scores_keeps_the_earlier_box():
    boxes, scores = random_boxes(1, seed=1)
    _, kept = ops.nms(boxes.repeat(5, 1), scores.repeat(5), 0.5)
    assert kept.tolist() == [0]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', HALF)
@pytest.mark.parametrize('amp', [True, False])
def test_nms_takes_half_types_and_mixed_ones(amp, dtype, device):
    boxes, _ = random_boxes(40, seed=2, dtype=dtype, device=device)
    # Scores that are distinct in both half types.
    scores = (torch.randperm(40, generator=torch.Generator().manual_seed(3)) / 64).to(boxes)
    expected = reference_nms(boxes, scores, 0.4, 0)
    with torch.autocast(device, dtype=dtype, enabled=amp):
        assert ops.nms(boxes, scores, 0.4)[1].tolist() == expected
        assert ops.nms(boxes.float(), scores, 0.4)[1].tolist() == expected


def test_batched_nms_never_suppresses_across_classes():
    boxes, scores = random_boxes(1, seed=4)
    _, kept = ops.batched_nms(boxes.repeat(3, 1), scores.repeat(3), torch.arange(3), dict(iou_threshold=0.5))
    assert sorted(kept.tolist()) == [0, 1, 2]


@pytest.mark.parametrize('device', DEVICES)
def test_no_boxes_give_no_boxes(device):
    boxes, scores = torch.zeros(0, 4, device=device), torch.zeros(0, device=device)
    for offset in (0, 1):
        for suppress in (ops.nms, ops.soft_nms):
            dets, kept = suppress(boxes, scores, 0.5, offset=offset)
            assert dets.shape == (0, 5)
            assert kept.shape == (0,)
            assert kept.dtype == torch.long


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('min_score', [0.05, 0.4])
def test_soft_nms_lowers_and_drops_as_the_loop_does(min_score, method, offset, dtype):
    boxes, scores = random_boxes(40, seed=5, dtype=dtype)
    before = scores.clone()
    dets, kept = ops.soft_nms(boxes, scores, 0.3, 0.5, min_score, method, offset)
    expected = reference_soft_nms(boxes, scores, 0.3, 0.5, min_score, method, offset)
    assert 1 < len(kept) < len(boxes)
    assert kept.tolist() == [row[0] for row in expected]
    torch.testing.assert_close(dets, torch.tensor([row[1:] for row in expected], dtype=dtype))
    assert torch.equal(scores, before)


def test_naive_soft_nms_is_nms():
    boxes, scores = random_boxes(40, seed=6)
    _, soft = ops.soft_nms(boxes, scores, 0.4, min_score=1e-6, method='naive')
    _, hard = ops.nms(boxes, scores, 0.4)
    assert soft.tolist() == hard.tolist()


def test_soft_nms_keeps_the_best_box_however_low_it_scores():
    boxes, scores = random_boxes(5, seed=7)
    _, kept = ops.soft_nms(boxes, scores / 100, min_score=0.5)
    assert kept.tolist() == [int(scores.argmax())]


@pytest.mark.parametrize('dtype', HALF)
def test_soft_nms_takes_half_types(dtype):
    boxes, scores = random_boxes(20, seed=8, dtype=dtype)
    dets, kept = ops.soft_nms(boxes, scores, method='gaussian')
    expected, order = ops.soft_nms(boxes.float(), scores.float(), method='gaussian')
    assert dets.dtype == dtype
    assert kept.tolist() == order.tolist()
    torch.testing.assert_close(dets.float(), expected, rtol=1e-2, atol=1e-2)


def test_numpy_boxes_give_numpy_boxes():
    boxes, scores = random_boxes(10, seed=9)
    for suppress in (ops.nms, ops.soft_nms):
        dets, kept = suppress(boxes.numpy(), scores.numpy(), 0.5)
        assert isinstance(dets, np.ndarray)
        assert isinstance(kept, np.ndarray)


def test_the_groups_of_nms_are_those_of_a_loop_over_boxes():
    generator = torch.Generator().manual_seed(0)
    corner, size = torch.rand(2, 40, 2, generator=generator) * 20
    dets = torch.cat([corner, corner + size, torch.rand(40, 1, generator=generator)], dim=1)
    dets[7, :4] = dets[3, :4]  # an IoU of 1
    boxes, scores = dets[:, :4].tolist(), dets[:, 4].tolist()
    groups = {}
    for i in sorted(range(40), key=lambda i: -scores[i]):
        first = next((k for k in groups if reference_iou(boxes[i], boxes[k], 0) >= 0.3), i)
        groups.setdefault(first, []).append(i)
    found = ops.nms_match(dets, 0.3)
    assert [group.tolist() for group in found] == list(groups.values())
    assert len(groups) < 40
    assert ops.nms_match(dets[:0], 0.3) == []
