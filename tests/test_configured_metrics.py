"""The metrics of an evaluator, in each of the forms that mmengine takes."""

import pytest

from luminet_det.configured_metrics import configured_metrics

PLACE = 'val_evaluator.metrics'
COCO, VOC = dict(type='CocoMetric'), dict(type='VOCMetric')


@pytest.mark.parametrize(
    ('evaluator', 'expected'),
    [
        (COCO, {'val_evaluator': COCO}),
        ([COCO, VOC], {'val_evaluator.0': COCO, 'val_evaluator.1': VOC}),
        (dict(metrics=COCO), {PLACE: COCO}),
        (
            dict(type='Evaluator', metrics=[COCO, VOC]),
            {f'{PLACE}.0': COCO, f'{PLACE}.1': VOC},
        ),
        (None, {}),
    ],
)
def test_each_metric_has_the_key_at_which_it_can_be_changed(evaluator, expected):
    assert configured_metrics(evaluator, 'val_evaluator') == expected
