"""benchmarks/scale.py: its recorded counts can be reproduced, and it measures what it says."""

import json

import pytest
from mmdet.utils import register_all_modules

from benchmarks import scale
from benchmarks.scaled_pair import ScaledPair

register_all_modules(init_default_scope=True)


def test_the_flops_of_the_coco_row_are_the_recorded_ones():
    assert scale.coco_flops() == json.loads(scale.RESULT.read_text())['coco']


@pytest.mark.parametrize('recorded', json.loads(scale.RESULT.read_text())['small_batches'], ids=lambda p: p['rows'])
def test_the_error_of_few_rows_is_the_recorded_one(recorded):
    assert scale.small_batch(recorded['rows']) == pytest.approx(recorded, abs=0.01)


def test_an_axis_is_relative_to_its_base(monkeypatch):
    monkeypatch.setattr(scale, 'BASE', dict(images=1, rois=16, classes=3))
    monkeypatch.setattr(scale, 'ScaledPair', lambda **point: ScaledPair(**point, size=64))
    base, more = scale.grow('images', (1, 2), repeats=1)
    assert (base['images'], base['distilling_over_base'], base['peak_over_base']) == (1, 1, 1)
    assert more['peak_over_base'] > 1
