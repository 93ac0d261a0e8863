"""The numbers of an analysis equal values derived by hand."""

import math

import pytest
import torch

from luminet_det.classification.analysis import (
    Answers,
    agreement,
    calibration,
    correlation,
    correlation_difference,
    evenly,
    mean_difference,
    scores,
)


def sure(*probabilities):
    """Logits (N, 2) that give the first of two classes these probabilities."""
    first = torch.tensor(probabilities, dtype=torch.float64)
    return torch.stack([first.log(), (1 - first).log()], 1)


def test_ece_is_the_gap_between_accuracy_and_confidence_averaged_over_images():
    # In (0.8, 1]: 0.9 twice, one of them right: |0.5 - 0.9|. In (0.6, 0.8]: 0.7 twice, both right: |1 - 0.7|.
    found = calibration(sure(0.9, 0.9, 0.7, 0.7), torch.tensor([0, 1, 0, 0]), bins=5)
    assert found.count.tolist() == [0, 0, 0, 2, 2]
    assert found.accuracy.tolist() == [0, 0, 0, 1, 0.5]
    assert found.confidence[3:].tolist() == pytest.approx([0.7, 0.9])
    assert found.error == pytest.approx(0.35)


def test_a_bin_holds_its_upper_edge_and_the_last_one_certainty():
    found = calibration(torch.tensor([[0.0, 0.0], [200.0, 0.0]]), torch.tensor([0, 0]), bins=2)
    assert found.count.tolist() == [1, 1]


def test_the_mean_confidence_of_a_bin_is_compared_not_its_middle():
    # Both are in one bin, one of them is right: accuracy 0.5, mean confidence 0.75.
    assert calibration(sure(0.6, 0.9), torch.tensor([0, 1]), bins=1).error == pytest.approx(0.25)


TEACHER = torch.tensor([[1.0, 3.0, 1.0], [2.0, 2.0, 3.0], [3.0, 1.0, 1.0]])
STUDENT = torch.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 3.0], [3.0, 3.0, 1.0]])


def test_correlation_is_pearsons():
    expected = torch.tensor([[1, -1, 0], [-1, 1, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(correlation(TEACHER), expected)
    logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(correlation(logits), torch.corrcoef(logits.double().T))


def test_the_correlation_difference_is_that_of_each_pair_and_its_mean_leaves_the_diagonal_out():
    difference = correlation_difference(TEACHER, STUDENT)
    torch.testing.assert_close(difference, torch.tensor([[0.0, 2, 0], [2, 0, 0], [0, 0, 0]], dtype=torch.float64))
    assert mean_difference(difference) == pytest.approx(2 * 2 / 6)


def test_scale_and_offset_of_a_class_change_no_correlation():
    changed = TEACHER * torch.tensor([2.0, 0.5, 7.0]) + torch.tensor([1.0, -3.0, 0.0])
    assert mean_difference(correlation_difference(TEACHER, changed)) == pytest.approx(0, abs=1e-12)


def test_a_class_that_never_varies_correlates_with_none():
    logits = torch.tensor([[1.0, 0.1], [2.0, 0.1], [4.0, 0.1]])
    assert correlation(logits).tolist() == [[1, 0], [0, 1]]


def test_logits_of_other_images_are_refused():
    with pytest.raises(ValueError, match=r'\(3, 3\) of the teacher and \(2, 3\) of the student'):
        correlation_difference(TEACHER, STUDENT[:2])


def test_agreement_is_the_percentage_of_equal_classes():
    one = torch.tensor([[2.0, 1.0], [0.0, 1.0], [5.0, 1.0]])
    other = torch.tensor([[9.0, 1.0], [0.0, 7.0], [0.0, 1.0]])
    assert agreement(one, other) == pytest.approx(200 / 3)


def test_the_scores_are_percent_and_nats():
    logits = torch.tensor([[3.0, 2, 1, 0, -1, -2], [3.0, 2, 1, 0, -1, -2]])
    found = scores(Answers(logits, None, torch.tensor([0, 5])))
    total = sum(math.exp(value) for value in logits[0].tolist())
    assert (found['top1'], found['top5']) == (50, 50)
    assert found['ece'] == pytest.approx(100 * abs(0.5 - math.exp(3) / total), rel=1e-6)
    assert found['nll'] == pytest.approx(math.log(total) - (3 - 2) / 2)
    assert 'agreement' not in found


def test_with_a_teacher_the_scores_compare_with_it():
    answers = Answers(STUDENT, None, torch.tensor([0, 2, 0]))
    found = scores(answers, Answers(TEACHER, None, torch.tensor([0, 2, 0])))
    assert found['agreement'] == pytest.approx(100 * (STUDENT.argmax(1) == TEACHER.argmax(1)).double().mean().item())
    assert found['correlation_difference'] == pytest.approx(4 / 6)


def test_images_are_taken_evenly_from_all_classes():
    labels = torch.tensor([0] * 50 + [1] * 5 + [2] * 2)
    chosen = evenly(labels, 12)
    assert torch.bincount(labels[chosen]).tolist() == [5, 5, 2]
    assert chosen == sorted(set(chosen)) == evenly(labels, 12)
    assert chosen != evenly(labels, 12, seed=1)
    assert evenly(labels, 1000) == list(range(57))
