import pytest

from luminet_det.losses import KDLoss


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
