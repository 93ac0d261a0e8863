import math

import pytest
import torch

from luminet_det.losses.negatives import Negatives

# Three classes of five, three and two images, interleaved.
LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 2, 0, 1, 0])
INDEX = torch.tensor([1, 0, 3, 4])


def drawn(count, times, labels=LABELS, index=INDEX):
    """How often each image is drawn as a negative of each row, in each of many draws: (times, B, N)."""
    torch.manual_seed(0)
    negatives = Negatives(labels, count)
    found = torch.zeros(times, len(index), len(labels), dtype=torch.int64)
    for counts in found:
        candidates, chosen = negatives.draw(index)
        counts[:, candidates] = chosen.long()
    return found


def within(found, expected, deviation, samples, sigmas=5):
    assert (found - expected).abs().max() < sigmas * deviation / math.sqrt(samples)


def test_each_row_gets_its_number_of_different_images_of_other_classes():
    found = drawn(count=4, times=300)
    assert (found.sum(2) == 4).all()
    assert found.max() == 1
    own = LABELS[INDEX, None] == LABELS
    assert found[:, own].sum() == 0


def test_every_set_of_others_is_as_likely_as_every_other():
    count, times = 3, 8000
    found = drawn(count, times).double()
    for row, label in enumerate(LABELS[INDEX].tolist()):
        others = (label != LABELS).nonzero().flatten()
        n = len(others)
        single = found[:, row, others]
        p = count / n
        within(single.mean(0), p, math.sqrt(p * (1 - p)), times)
        pairs = torch.einsum('ti,tj->ij', single, single) / times
        p = count * (count - 1) / (n * (n - 1))
        within(pairs[~torch.eye(n, dtype=torch.bool)], p, math.sqrt(p * (1 - p)), times)
        # Every possible set of three images occurs, all about equally often.
        sets = (single.long() * 2 ** torch.arange(n)).sum(1).unique(return_counts=True)[1]
        assert len(sets) == math.comb(n, count)
        within(sets / times, 1 / math.comb(n, count), math.sqrt(1 / math.comb(n, count)), times)


def test_rows_of_one_class_share_their_negatives_and_draws_differ():
    found = drawn(count=3, times=100)
    assert torch.equal(found[:, 0], found[:, 3])
    assert len(found[:, 0].unique(dim=0)) > 20


def test_a_draw_looks_at_few_more_images_than_it_needs():
    labels = torch.arange(5000) % 100
    candidates, chosen = Negatives(labels, 1000).draw(torch.tensor([3, 4]))
    assert len(candidates) == 1050
    assert chosen.dtype == torch.bool


def test_a_class_with_too_few_others_draws_each_independently():
    count, times = 6, 8000
    # For class 0 there are five images of other classes, for classes 1 and 2 seven and eight.
    found = drawn(count, times).double()
    assert (found.sum(2) == count).all()
    assert found[:, LABELS[INDEX, None] == LABELS].sum() == 0
    row = found[:, 1][:, LABELS != 0]
    p = 1 / 5
    within(row.mean(0), count * p, math.sqrt(count * p * (1 - p)), times)
    covariance = torch.cov(row.T)
    expected = count * (p * torch.eye(5, dtype=torch.float64) - p * p)
    within(covariance, expected, 2.5, times)
    assert found[:, [0, 2, 3]].max() == 1
    within(found[:, 2][:, LABELS != 2].mean(0), 6 / 8, math.sqrt(6 / 8 * 2 / 8), times)


def test_rows_of_a_class_with_too_few_others_draw_apart_from_each_other():
    times = 4000
    found = drawn(8, times, index=torch.tensor([0, 2])).double()[:, :, LABELS != 0]
    first, second = (found[:, row] - found[:, row].mean(0) for row in (0, 1))
    within(torch.einsum('ti,ti->i', first, second) / times, 0.0, 8 * 0.2 * 0.8, times)


def test_more_negatives_than_images_are_drawn_with_replacement_by_all():
    found = drawn(count=25, times=50)
    assert (found.sum(2) == 25).all()
    assert found[:, LABELS[INDEX, None] == LABELS].sum() == 0


def test_draws_follow_the_global_seed():
    negatives = Negatives(LABELS, 3)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(negatives.draw(INDEX)[0].tolist())
    assert draws[0] == draws[1] != draws[2]


def test_no_rows_draw_nothing():
    for count in (3, 6):
        assert Negatives(LABELS, count).draw(INDEX[:0])[1].shape[0] == 0


def test_labels_of_a_single_class_are_refused():
    with pytest.raises(ValueError, match='other classes, but training_labels has only one'):
        Negatives(torch.zeros(5, dtype=torch.int64), 2)
