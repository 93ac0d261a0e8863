"""ResultHook: the best and the last epoch that was measured."""

import json
from types import SimpleNamespace

import pytest

from luminet_det.hooks.result import ResultHook


@pytest.fixture
def finished(tmp_path, monkeypatch):
    monkeypatch.setattr(ResultHook, '_describe', lambda hook, runner: {})
    logger = SimpleNamespace(info=lambda text: None)

    def finish(*scores):
        hook = ResultHook(metric='coco/bbox_mAP')
        hook._began = 0.0
        hook._history = [dict(epoch=i, iteration=10 * i) | of for i, of in enumerate(scores, start=1)]
        hook.after_train(SimpleNamespace(work_dir=str(tmp_path), logger=logger))
        return json.loads((tmp_path / 'result.json').read_text())['metrics']

    return finish


def test_a_validation_without_a_detection_has_no_score_and_does_not_end_the_run(finished):
    found = finished({}, {'coco/bbox_mAP': 0.2}, {'coco/bbox_mAP': 0.1}, {})
    assert (found['best']['epoch'], found['last']['epoch']) == (2, 3)


def test_a_metric_that_was_never_measured_is_named_with_those_that_were(finished):
    with pytest.raises(ValueError, match=r"metric='coco/bbox_mAP' was not measured; val_evaluator gives coco/segm"):
        finished({'coco/segm': 0.2})
