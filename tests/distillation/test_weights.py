"""load_strictly: weights must fit the model, also those in files from older versions."""

import pytest
import torch
from mmengine.logging import MMLogger
from torch import nn

from luminet_det.distillation.weights import Misfit, load_strictly
from tests import pairs, tiny

MEAN = [123.675, 116.28, 103.53]


@pytest.fixture(scope='module')
def detector():
    return pairs.build(tiny.faster_rcnn())


def state_of(seed):
    return pairs.build(tiny.faster_rcnn(), seed).state_dict()


@pytest.mark.parametrize(('mean', 'told'), [(MEAN, False), ([0.0, 0.0, 0.0], True)])
def test_pixel_statistics_that_older_files_hold_are_compared_and_left_out(detector, caplog, mean, told):
    theirs = state_of(1)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    load_strictly(detector, theirs | {'data_preprocessor.mean': torch.tensor(mean).reshape(3, 1, 1)}, 'rtmdet.pth')
    logger.removeHandler(caplog.handler)
    assert all(torch.equal(weight, theirs[name]) for name, weight in detector.state_dict().items())
    assert detector.data_preprocessor.mean.flatten().tolist() == pytest.approx(MEAN)
    assert ('rtmdet.pth was trained with data_preprocessor.mean=[0.0, 0.0, 0.0]' in caplog.text) == told


def test_other_buffers_that_are_not_saved_are_left_out_without_a_word(caplog):
    model = nn.Linear(2, 2)
    model.register_buffer('mask', torch.ones(1000), persistent=False)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    load_strictly(model, model.state_dict() | {'mask': torch.zeros(1000)}, 'swin.pth')
    logger.removeHandler(caplog.handler)
    assert model.mask.all()
    assert not caplog.text


def test_the_second_copies_of_an_average_are_left_out(detector):
    theirs = state_of(2)
    copies = {f'ema_{name.replace(".", "_")}': torch.zeros_like(weight) for name, weight in theirs.items()}
    load_strictly(detector, dict(state_dict=theirs | copies), 'yolox.pth')
    assert all(torch.equal(weight, theirs[name]) for name, weight in detector.state_dict().items())


@pytest.mark.parametrize('name', ['ema_backbone_conv9_weight', 'data_preprocessor.median', 'backbone.conv9.weight'])
def test_what_no_version_holds_is_still_unexpected(detector, name):
    with pytest.raises(Misfit, match=rf'1 unexpected \({name}\)'):
        load_strictly(detector, state_of(1) | {name: torch.zeros(3)}, 'other.pth')
