"""Term: its schedule ramps and stops, and settings that cannot work are refused with what to write."""

import re

import pytest
import torch
from torch import nn

from luminet_det.distillation import epochs
from luminet_det.distillation.loss_setting import build_loss
from luminet_det.distillation.student import _unique_names
from luminet_det.distillation.taps import chosen
from luminet_det.distillation.terms import Term
from tests import pairs, tiny

KD = dict(type='luminet_det.KDLoss')


@pytest.mark.parametrize(
    ('schedule', 'weights'),
    [
        ({}, [1, 1, 1, 1, 1, 1]),
        (dict(warmup=4), [0.25, 0.5, 0.75, 1, 1, 1]),
        (dict(warmup='4 iters'), [0.25, 0.5, 0.75, 1, 1, 1]),
        (dict(warmup='2 epochs'), [0.5, 0.5, 1, 1, 1, 1]),
        (dict(stop=3), [1, 1, 1, 0, 0, 0]),
        (dict(stop='2 epochs'), [1, 1, 1, 1, 0, 0]),
        (dict(warmup=2, stop='1 epochs'), [0.5, 1, 0, 0, 0, 0]),
    ],
)
def test_the_schedule_ramps_linearly_and_stops(schedule, weights):
    term = Term('roi_cls', KD, **schedule)
    assert [term.weight(i, epoch=i // 2) for i in range(6)] == weights


@pytest.mark.parametrize('schedule', [dict(warmup=4, stop=3), dict(warmup='3 epochs', stop='2 epochs')])
def test_a_ramp_that_its_terms_end_would_cut_is_refused(schedule):
    with pytest.raises(ValueError, match=r"warmup=.* of the term on tap 'roi_cls' is longer .* ends at stop="):
        Term('roi_cls', KD, **schedule)


def test_a_loss_that_gives_many_values_is_refused():
    term = Term('roi_reg', dict(type='mmdet.L1Loss', reduction='none'))
    with pytest.raises(ValueError, match=r"L1Loss on tap 'roi_reg' gives \(3, 4\) values, not a scalar; .*'mean'"):
        term(torch.rand(3, 4), torch.rand(3, 4))


def test_settings_that_a_foreign_loss_refuses_are_named():
    with pytest.raises(ValueError, match=r"DivLoss does not accept the settings \{'T': 0\}"):
        Term('roi_cls', dict(type='mmdet.KnowledgeDistillationKLDivLoss', T=0))


def test_a_loss_of_mmdet_is_hinted_at_by_its_full_name():
    with pytest.raises(ValueError, match="Did you mean 'mmdet.MSELoss'"):
        Term('roi_reg', dict(type='MSELoss'))


@pytest.mark.parametrize('which', [[2, 0], [-1, 0], (1, 0)])
def test_levels_out_of_order_are_refused_with_their_order(which):
    with pytest.raises(ValueError, match=r"levels=.* of tap 'neck' is out of order; write levels=\[0, [12]\]"):
        chosen('neck', 'levels', which, ('a', 'b', 'c'))


def test_a_ramp_in_epochs_that_a_loss_has_of_its_own_is_refused_in_a_run_that_has_only_one(monkeypatch, teacher):
    monkeypatch.setattr(epochs, 'run_info', lambda name, default=None: 1 if name == 'max_epochs' else default)
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, pairs.TERM))
    detector.terms[0].loss.by_epoch = True
    with pytest.raises(ValueError, match=r'ramp of its loss\), but this run has only one epoch.*feature_warmup=0'):
        pairs.step(detector)


def test_a_schedule_in_epochs_is_refused_in_a_run_that_has_only_one(monkeypatch, teacher):
    monkeypatch.setattr(epochs, 'run_info', lambda name, default=None: 1 if name == 'max_epochs' else default)
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, dict(pairs.TERM, warmup='2 epochs')))
    with pytest.raises(ValueError, match='only one epoch.*warmup=500'):
        pairs.step(detector)


def test_a_run_of_one_epoch_that_names_iterations_elsewhere_has_epochs(monkeypatch, teacher):
    said = dict(max_epochs=1, cfg="max_iters = 90000\ntrain_cfg = dict(max_epochs=1, type='EpochBasedTrainLoop')\n")
    monkeypatch.setattr(epochs, 'run_info', lambda name, default=None: said.get(name, default))
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, dict(pairs.TERM, stop='1 epochs')))
    assert pairs.step(detector)['loss_luminet'] > 0
    said['cfg'] = "train_cfg = dict(max_iters=90000, type='IterBasedTrainLoop')\n"
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, dict(pairs.TERM, stop='1 epochs')))
    with pytest.raises(ValueError, match='only one epoch'):
        pairs.step(detector)


def test_buffers_of_a_loss_follow_the_detector(teacher):
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher))
    detector.terms[0].loss.register_buffer('table', torch.zeros(3))
    detector.double()
    assert detector.terms[0].loss.table.dtype == torch.float64


def test_weight_zero_rests():
    assert Term('roi_cls', dict(KD, loss_weight=0)).weight(0, 0) == 0


def test_losses_of_mmdet_and_torch_take_no_target():
    rows = torch.rand(3, 4), torch.rand(3, 4)
    expected = nn.functional.l1_loss(*rows)
    assert Term('roi_reg', dict(type='mmdet.L1Loss'))(*rows) == expected
    assert Term('roi_reg', dict(type=nn.L1Loss))(*rows) == expected


def test_no_rows_are_a_zero_that_can_be_differentiated():
    student = torch.zeros(0, 4, requires_grad=True)
    loss = Term('roi_reg', dict(type=nn.L1Loss))(student, torch.zeros(0, 4))
    loss.backward()
    assert loss == 0


def test_names_in_the_log_are_unique():
    kd, other = Term('roi_cls', KD), Term('roi_reg', KD)
    assert _unique_names([kd]) == ['kd']
    assert _unique_names([kd, other]) == ['kd_roi_cls', 'kd_roi_reg']
    assert _unique_names([kd, kd, other]) == ['kd_roi_cls_1', 'kd_roi_cls_2', 'kd_roi_reg']


def test_the_announcement_shows_every_setting():
    text = repr(Term('roi_cls', dict(KD, tau=2.5), warmup=500, stop='7 epochs', rois='foreground'))
    for part in ('roi_cls', 'rois=foreground', 'KDLoss', 'tau=2.5', 'warmup=500 iters', 'stop=7 epochs'):
        assert part in text


@pytest.mark.parametrize(
    ('setting', 'hint'),
    [
        (dict(type='LumiNetLoss', alpha=33), 'Here it is loss_weight, which is alpha squared.'),
        (dict(type='DKDLoss', beta=8), 'Here it is non_target_weight.'),
        (dict(type='DISTLoss', beta=1), 'Here it is inter_weight.'),
        (dict(type='FGDLoss', alpha_fgd=1), 'Here it is foreground_weight.'),
        (dict(type='KDLoss', gamma=1), "no setting 'gamma'. Known:"),
        (dict(type='KDLoss', temperature=1), "Did you mean 'tau'?"),
    ],
)
def test_a_papers_letter_is_told_what_it_is_here_and_is_never_guessed_at(setting, hint):
    with pytest.raises(ValueError, match=re.escape(hint)):
        build_loss(setting | dict(type=f'luminet_det.{setting["type"]}'))


def test_what_is_logged_of_a_term_that_has_stopped_is_zero_not_what_it_was(teacher):
    terms = [dict(pairs.TERM, stop=2), dict(tap='roi_cls', loss=KD)]
    detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, terms))
    said = []
    for _ in range(3):
        said.append(pairs.step(detector))
        pairs.total(detector, said[-1]).backward()
    assert said[1]['share_luminet'] > 0
    assert said[1]['gradient_share_luminet'] > 0
    assert [float(said[2][f'{what}_luminet']) for what in ('loss', 'raw', 'share')] == [0, 0, 0]
    assert said[2]['share_kd'] > 0


def test_epochs_outside_of_a_runner_are_warned_of(monkeypatch, teacher):
    said = []
    monkeypatch.setattr(epochs, 'print_log', lambda text, **options: said.append(text))
    monkeypatch.setattr(epochs, 'training_hub', lambda: None)  # there may be one of another test
    for warmup in ('2 epochs', 500):
        detector = pairs.build(pairs.distilling(tiny.faster_rcnn(), teacher, dict(pairs.TERM, warmup=warmup)))
        for _ in range(3):
            pairs.step(detector)
    assert ['outside a Runner there are no epochs' in text for text in said].count(True) == 1
