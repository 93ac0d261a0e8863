"""Metrics of a config, each with its place."""

import pytest

from luminet_det.configured_metrics import configured_metrics

COCO, VOC = dict(type='CocoMetric'), dict(type='VOCMetric')


@pytest.mark.parametrize(
    ('evaluator', 'expected'),
    [
        (COCO, {'val_evaluator': COCO}),
        ([COCO, VOC], {'val_evaluator.0': COCO, 'val_evaluator.1': VOC}),
        ((object(), VOC), {'val_evaluator.1': VOC}),
        ([], {}),
        (None, {}),
    ],
)
def test_each_metric_has_the_key_by_which_it_can_be_changed(evaluator, expected):
    assert configured_metrics(evaluator, 'val_evaluator') == expected
