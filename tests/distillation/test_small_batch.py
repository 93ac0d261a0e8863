"""SmallBatch: one warning about statistics over too few rows, with what to set."""

import logging

import pytest
import torch

from luminet_det.distillation import small_batch
from luminet_det.distillation.small_batch import ENOUGH_ROWS, STEPS, SmallBatch
from luminet_det.distillation.terms import Term


@pytest.fixture
def warnings(monkeypatch):
    """What is logged, as (level, text)."""
    found = []
    monkeypatch.setattr(small_batch, 'print_log', lambda text, logger, level: found.append((level, text)))
    return found


def term(loss='LumiNetLoss', rois='all', **settings):
    return Term(tap='roi_cls', loss=dict(type=f'luminet_det.{loss}', **settings), rois=rois)


def watch(term, rows, steps=STEPS):
    guard = SmallBatch()
    for _ in range(steps):
        guard.watch('luminet', term, rows)


def processes(monkeypatch, number):
    monkeypatch.setattr(small_batch, 'get_world_size', lambda: number)


def test_too_few_rows_are_warned_of_once_naming_what_to_set(warnings):
    watch(term(), [16], steps=5 * STEPS)
    ((level, text),) = warnings
    assert level == logging.WARNING
    assert text.startswith(
        'loss_luminet: LumiNetLoss standardises each class over the rows of a step, but there are only 16'
    )
    assert 'train_dataloader.batch_size' in text
    assert "num of the RoI head's sampler" in text
    assert 'sync=True' not in text


def test_enough_rows_are_no_matter(warnings):
    watch(term(), [ENOUGH_ROWS])
    assert not warnings


def test_a_step_with_few_rows_among_others_is_no_matter(warnings):
    guard = SmallBatch()
    for step in range(STEPS):
        guard.watch('luminet', term(), [1 if step == 0 else 2 * ENOUGH_ROWS])
    assert not warnings


def test_one_of_many_processes_is_told_to_sync(warnings, monkeypatch):
    processes(monkeypatch, 8)
    watch(term(), [16])
    assert 'there are only 16 on each of 8 processes' in warnings[0][1]
    assert "sync=True in the term's loss (about 128 rows, from all processes)" in warnings[0][1]


def test_with_sync_the_rows_of_all_processes_count(warnings, monkeypatch):
    processes(monkeypatch, 8)
    watch(term(sync=True), [16])
    assert not warnings
    watch(term(sync=True), [2])
    assert 'there are only 16 (mean' in warnings[0][1]
    assert 'sync=True' not in warnings[0][1]


def test_rows_left_out_by_the_term_are_named(warnings):
    watch(term(rois='foreground'), [5])
    assert "rois='all' in the term" in warnings[0][1]


def test_each_call_of_a_cascades_heads_has_statistics_of_its_own(warnings):
    watch(term(), [40, 40, 40])
    assert 'there are only 40 (mean' in warnings[0][1]


def test_a_loss_that_takes_each_row_by_itself_is_no_matter(warnings):
    watch(term('KDLoss'), [1])
    assert not warnings


def test_the_limit_is_where_a_deviation_is_off_by_nine_percent():
    torch.manual_seed(0)
    found = torch.randn(ENOUGH_ROWS, 20_000).std(0)
    assert found.std().item() == pytest.approx(0.089, abs=0.002)
