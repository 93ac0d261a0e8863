import numpy as np
import pytest
import torch

from luminet_det.losses import DKDLoss, KDLoss

TCKD = dict(target_weight=1.0, non_target_weight=0.0)
NCKD = dict(target_weight=0.0, non_target_weight=1.0)


@pytest.mark.parametrize(
    ('weights', 'expected'),
    [
        (TCKD, 0.42067352),
        (NCKD, 1.78473531),
        (dict(target_weight=1.0, non_target_weight=8.0), 14.69855596),
    ],
)
def test_its_parts_and_their_sum_equal_the_reference(student, teacher, target, weights, expected):
    loss = DKDLoss(tau=4.0, **weights)
    assert loss(student, teacher, target).item() == pytest.approx(expected, rel=1e-7)
    assert loss(student.float(), teacher.float(), target).item() == pytest.approx(expected, rel=1e-4)


def test_weighted_by_the_teachers_doubt_its_parts_add_up_to_kd(student, teacher, target):
    doubt = 1 - (teacher / 4).softmax(dim=1).gather(1, target[:, None]).squeeze(1)
    others = [DKDLoss(tau=4.0, **NCKD)(student[[k]], teacher[[k]], target[[k]]) * doubt[k] for k in range(len(target))]
    total = DKDLoss(tau=4.0, **TCKD)(student, teacher, target) + sum(others) / len(others)
    assert total.item() == pytest.approx(1.84367754, rel=1e-7)
    torch.testing.assert_close(total, KDLoss(tau=4.0)(student, teacher))


def test_the_defaults_are_those_for_detection():
    loss = DKDLoss()
    assert (loss.tau, loss.target_weight, loss.non_target_weight, loss.loss_weight) == (1.0, 1.0, 0.25, 1.0)


@pytest.mark.parametrize('setting', ['target_weight', 'non_target_weight'])
def test_each_inner_weight_changes_the_value_and_refuses_negatives(student, teacher, target, setting):
    plain = DKDLoss()(student, teacher, target).item()
    assert DKDLoss(**{setting: 3.0})(student, teacher, target).item() > plain * 1.1
    with pytest.raises(ValueError, match=f'{setting} must be .*got {setting}=-1'):
        DKDLoss(**{setting: -1})


@pytest.mark.parametrize('target', [None, torch.tensor([1, 2]), torch.zeros(4, 5)])
def test_without_a_class_for_each_row_it_says_what_it_needs(student, teacher, target):
    found = 'None' if target is None else tuple(target.shape)
    with pytest.raises(ValueError, match='needs target, the class index of each of the 4 rows') as error:
        DKDLoss()(student, teacher, target)
    assert f'got {found}' in str(error.value)


def test_the_target_decides_what_is_compared(student, teacher, target):
    other = DKDLoss()(student, teacher, (target + 1) % 5).item()
    assert other != pytest.approx(DKDLoss()(student, teacher, target).item(), rel=1e-2)


@pytest.mark.parametrize('gap', [200.0, 1e4])
def test_it_stays_finite_where_the_student_is_sure(gap):
    student = torch.zeros(2, 5)
    student[:, 1] = gap
    student.requires_grad_()
    teacher = torch.tensor([[0.0, 1.0, 2.0, -1.0, 0.5]]).repeat(2, 1)
    target = torch.tensor([1, 3])
    # What the loss has to avoid: the logarithm of a computed 1 - p, which is 0 here.
    assert (1 - student.softmax(dim=1)[0, 1]).log() == -torch.inf

    value = DKDLoss()(student, teacher, target)
    value.backward()
    doubt = 1 - teacher.double().softmax(dim=1)[0, 1].item()
    assert value.isfinite()
    assert value.item() > 0.4 * gap * doubt
    assert student.grad.isfinite().all()
    assert student.grad[0, 1] > 0


def test_it_stays_finite_where_the_teacher_is_sure(student, target):
    teacher = torch.full((4, 5), -1e4).scatter(1, target[:, None], 1e4)
    logits = student.float().requires_grad_()
    value = DKDLoss()(logits, teacher, target)
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


def test_it_is_finite_for_a_uniform_teacher(student, target):
    assert DKDLoss()(student, torch.zeros(4, 5), target).isfinite()


def test_the_logit_of_the_target_does_not_reach_the_other_part(student, teacher, target):
    loss = DKDLoss(tau=4.0, **NCKD)
    raised = student.scatter_add(1, target[:, None], torch.full((4, 1), 3.0, dtype=student.dtype))
    torch.testing.assert_close(loss(raised, teacher, target), loss(student, teacher, target))


def test_the_target_stays_out_of_the_other_part_however_low_the_other_logits_are(student, teacher, target):
    loss = DKDLoss(tau=4.0, **NCKD)
    torch.testing.assert_close(loss(student - 1e4, teacher - 1e4, target), loss(student, teacher, target))


def test_its_inner_weights_are_printed():
    assert 'target_weight=1, non_target_weight=0.25' in repr(DKDLoss())


def dkd_of_standardised_rows(student, teacher, target, tau, non_target_weight):
    """DKD on standardised rows, with a target weight of 1, row by row in numpy."""
    total = 0.0
    for s, t, y in zip(student.numpy(), teacher.numpy(), target.tolist(), strict=True):
        rows = [(row - row.mean()) / (row.std(ddof=1) + 1e-7) / tau for row in (s, t)]
        q, p = (np.exp(row) / np.exp(row).sum() for row in rows)
        others = [np.delete(each, y) for each in (q, p)]
        q_pair, p_pair = ([each[y], 1 - each[y]] for each in (q, p))
        q_rest, p_rest = (each / each.sum() for each in others)
        total += np.sum(p_pair * np.log(np.divide(p_pair, q_pair)))
        total += non_target_weight * (p_rest * np.log(p_rest / q_rest)).sum()
    return tau**2 * total / len(student)


def test_standardised_it_is_dkd_of_standardised_rows(student, teacher, target):
    loss = DKDLoss(tau=2.0, non_target_weight=8.0, standardize=True)
    expected = dkd_of_standardised_rows(student, teacher, target, tau=2.0, non_target_weight=8.0)
    assert loss(student, teacher, target).item() == pytest.approx(expected, rel=1e-9)
    assert DKDLoss(tau=2.0, non_target_weight=8.0)(student, teacher, target).item() != pytest.approx(expected, rel=1e-2)
    torch.testing.assert_close(
        loss(student * 2 + 5, teacher, target), loss(student, teacher, target), rtol=1e-6, atol=0
    )


def test_standardised_its_gradient_is_that_of_finite_differences(student, teacher, target):
    loss = DKDLoss(standardize=True)
    assert torch.autograd.gradcheck(lambda logits: loss(logits, teacher, target), student.requires_grad_())


def test_whether_it_standardises_is_printed():
    assert 'standardize=True' in repr(DKDLoss(standardize=True))
