"""Settings given alone or in a list, each with the key at which it can be changed."""

import pytest

from luminet_det.listed_settings import listed_settings

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
def test_each_has_the_key_at_which_it_can_be_changed(evaluator, expected):
    assert listed_settings(evaluator, 'val_evaluator') == expected
