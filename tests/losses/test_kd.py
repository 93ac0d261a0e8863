import pytest
import torch

from luminet_det.losses import KDLoss
from luminet_det.losses.lskd import LSKDLoss


def test_at_temperature_four_it_equals_the_reference_with_its_factor_of_sixteen(student, teacher):
    assert KDLoss(tau=4.0)(student, teacher).item() == pytest.approx(1.84367754, rel=1e-7)
    assert KDLoss(tau=4.0)(student.float(), teacher.float()).item() == pytest.approx(1.84367754, rel=1e-4)


def test_without_that_factor_it_is_the_plain_divergence(student, teacher):
    assert KDLoss(tau=4.0)(student, teacher).item() / 4.0**2 == pytest.approx(0.11522985, rel=1e-7)


def test_at_temperature_one_it_equals_the_reference(student, teacher):
    assert KDLoss(tau=1.0)(student, teacher).item() == pytest.approx(0.82566379, rel=1e-7)


def test_the_defaults_are_those_for_detection(student, teacher):
    loss = KDLoss()
    assert (loss.tau, loss.loss_weight) == (1.0, 1.0)


def test_the_target_is_accepted_and_not_read(student, teacher, target):
    assert KDLoss()(student, teacher, target) == KDLoss()(student, teacher)


def test_an_offset_of_a_whole_row_does_not_matter_but_its_scale_does(student, teacher):
    plain = KDLoss()(student, teacher).item()
    assert KDLoss()(student + 5.0, teacher).item() == pytest.approx(plain, rel=1e-9)
    assert KDLoss()(student * 2.0, teacher).item() != pytest.approx(plain, rel=1e-2)


def test_standardised_it_is_lskd(student, teacher):
    loss = KDLoss(tau=2.0, standardize=True)
    assert loss(student, teacher).item() == pytest.approx(0.75529847, rel=1e-7)
    assert loss(student, teacher).item() == pytest.approx(LSKDLoss(2.0, 1.0)(student, teacher).item(), rel=1e-12)


def test_standardised_the_scale_of_a_row_does_not_matter_either(student, teacher):
    loss = KDLoss(standardize=True)
    torch.testing.assert_close(loss(student * 2 + 5, teacher), loss(student, teacher), rtol=1e-6, atol=0)
    assert loss(student, teacher).item() != pytest.approx(KDLoss()(student, teacher).item(), rel=1e-2)


def test_standardised_its_gradient_is_that_of_finite_differences(student, teacher):
    assert torch.autograd.gradcheck(lambda logits: KDLoss(standardize=True)(logits, teacher), student.requires_grad_())


def test_rows_that_are_no_distribution_are_not_standardised():
    with pytest.raises(ValueError, match='use_sigmoid=True the classes are independent.*Remove standardize=True'):
        KDLoss(use_sigmoid=True, standardize=True)


def test_whether_it_standardises_is_printed():
    assert 'standardize=True' in repr(KDLoss(standardize=True))
