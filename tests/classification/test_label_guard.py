"""A label that is no class stops a classifier's training and names the image, whatever the data set has checked."""

import copy
import pickle

import pytest
import torch
from mmengine.config import ConfigDict

from luminet_det.classification import Classifier
from luminet_det.classification.label_guard import LabelGuard

CLASSES = 5


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=['eager', 'compiled'])
def step(request):
    model = Classifier(ConfigDict(type='luminet_det.resnet8', num_classes=CLASSES), compile=request.param)
    return lambda labels: model(torch.randn(4, 3, 16, 16), torch.tensor(labels), torch.arange(10, 14), mode='loss')


@pytest.mark.parametrize(
    ('labels', 'words'),
    [
        ([0, 7, 1, 5], r'2 of 4 labels of a batch are outside 0 to 4: 7 \(image 11\), 5 \(image 13\)'),
        ([0, 1, -100, 4], r'1 of 4 labels of a batch are outside 0 to the last class: -100 \(image 12\)'),
        ([-1, 1, 2, 4], r'-1 \(image 10\)'),
    ],
)
def test_a_label_outside_the_classes_is_named(step, labels, words):
    with pytest.raises(ValueError, match=words):
        step(labels)


def test_the_first_and_the_last_class_are_classes(step):
    assert step([0, CLASSES - 1, 1, 2])['loss_ce'] > 0


def test_another_error_keeps_its_own_words():
    model = Classifier(ConfigDict(type='luminet_det.resnet8', num_classes=CLASSES))
    with pytest.raises(RuntimeError, match='channels'):
        model(torch.randn(4, 7, 16, 16), torch.tensor([0, 1, 2, 3]), mode='loss')


def test_copies_watch_for_themselves():
    guard = LabelGuard()
    for other in (copy.deepcopy(guard), pickle.loads(pickle.dumps(guard))):
        assert isinstance(other, LabelGuard)
        with pytest.raises(ValueError, match='-1'):
            other.watch(torch.tensor([0, -1]), None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_a_gpu_it_is_found_within_some_steps():
    guard, batch = LabelGuard(), (torch.tensor([0, -100], device='cuda'), torch.tensor([6, 7], device='cuda'))

    def watched():
        for _ in range(100):
            guard.watch(*batch)

    with pytest.raises(ValueError, match=r'-100 \(image 7\)'):
        watched()
