"""A label outside the classes stops a classifier's training and names the image, for any dataset."""

import copy
import pickle

import pytest
import torch
from mmengine.config import ConfigDict

from luminet_det.classification import Classifier, DistillClassifier
from luminet_det.classification.label_guard import LabelGuard
from luminet_det.distillation.pending_flags import Flag

CLASSES = 5
NETWORK = dict(type='luminet_det.resnet8', num_classes=CLASSES)


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=['eager', 'compiled'])
def step(request):
    model = Classifier(ConfigDict(NETWORK), compile=request.param)
    return lambda labels: model(torch.randn(4, 3, 16, 16), torch.tensor(labels), torch.arange(10, 14), mode='loss')


@pytest.mark.parametrize(
    ('labels', 'words'),
    [
        ([0, 7, 1, 5], r'2 of 4 labels of a batch are outside 0 to 4: 7 \(image 11\), 5 \(image 13\)'),
        ([0, 1, -100, 4], r'1 of 4 labels of a batch are outside 0 to 4: -100 \(image 12\)'),
        ([-1, 1, 2, 4], r'-1 \(image 10\)'),
    ],
)
def test_a_label_outside_the_classes_is_named(step, labels, words):
    with pytest.raises(ValueError, match=words):
        step(labels)


def test_the_first_and_the_last_class_are_classes(step):
    assert step([0, CLASSES - 1, 1, 2])['loss_ce'] > 0


def test_another_error_keeps_its_own_words():
    model = Classifier(ConfigDict(NETWORK))
    with pytest.raises(RuntimeError, match='channels'):
        model(torch.randn(4, 7, 16, 16), torch.tensor([0, 1, 2, 3]), mode='loss')


@pytest.mark.parametrize('kind', ['alone', 'DKDLoss', 'mutual'])
def test_no_kernel_meets_a_label_that_is_no_class(kind, tmp_path):
    # On a GPU such a label would crash the process before it could be named.
    teacher = dict(config=dict(type='luminet_det.Classifier', network=NETWORK))
    if kind == 'mutual':
        teacher['trainable'] = True
    else:
        teacher['checkpoint'] = str(tmp_path / 'teacher.pth')
        torch.save(Classifier(ConfigDict(NETWORK)).state_dict(), teacher['checkpoint'])
    distill = [dict(tap='logits', loss=dict(type='luminet_det.DKDLoss'))]
    alone = kind == 'alone'
    model = (
        Classifier(ConfigDict(NETWORK))
        if alone
        else DistillClassifier(ConfigDict(NETWORK), teacher=teacher, distill=distill)
    )
    more = () if alone else ('dkd',)
    if more:
        model.start()
    labels = torch.tensor([0, 7, -100, 1])
    found = model.objective(torch.randn(4, 3, 16, 16), labels, *([more, dict(target=labels)] if more else []))
    assert found['outside'].tolist() == [False, True, True, False]
    assert found['ce'].isfinite()
    assert all(found[name].isfinite() for name in more)


class OnItsWay:
    """The CUDA event of a copy from a GPU that has not arrived yet."""

    def query(self):
        return False

    def synchronize(self):
        pass


def test_a_step_does_not_wait_for_what_has_not_arrived_but_the_end_of_training_does():
    model = Classifier(ConfigDict(NETWORK))
    look = (torch.tensor([0, 7]), torch.tensor([10, 11]), CLASSES)
    model._labels._looks._flags.append(Flag(torch.tensor(True), OnItsWay(), look))
    model(torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 3]), mode='loss')
    with pytest.raises(ValueError, match=r'7 \(image 11\)'):
        model.eval()
    model.eval()


def test_copies_watch_for_themselves():
    guard = LabelGuard()
    for other in (copy.deepcopy(guard), pickle.loads(pickle.dumps(guard))):
        assert isinstance(other, LabelGuard)
        with pytest.raises(ValueError, match='-1'):
            other.watch(torch.tensor([False, True]), torch.tensor([0, -1]), None, CLASSES)


@pytest.mark.gpu
def test_on_a_gpu_it_is_found_within_some_steps():
    model = Classifier(ConfigDict(NETWORK)).cuda()
    images, labels, index = torch.randn(4, 3, 16, 16), torch.tensor([0, 7, 1, 2]), torch.arange(10, 14)

    def steps():
        for _ in range(100):
            model(images.cuda(), labels.cuda(), index.cuda(), mode='loss')

    with pytest.raises(ValueError, match=r'7 \(image 11\)'):
        steps()


def test_labels_that_are_mixed_are_refused():
    model = Classifier(ConfigDict(NETWORK))
    with pytest.raises(ValueError, match=r'of shape \(4, 3\); expected one class index for each image.*MixUp'):
        model(torch.randn(4, 3, 16, 16), torch.rand(4, 3), mode='loss')
