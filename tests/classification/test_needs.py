"""What classifiers pass to a loss besides logits, features and embeddings."""

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from torch import nn

from luminet_det.classification import models
from luminet_det.classification.norms import norms_before_relu
from luminet_det.doctor.teachers import enter_training
from luminet_det.hooks.training_labels import TrainingLabelsHook
from luminet_det.registry import MODELS
from tests import runs
from tests.classification import small
from tests.needy import term
from tools import train


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    return small.save_teacher(tmp_path_factory.mktemp('teacher') / 'teacher.pth')


def seen(teacher, setting, data=None, **changes):
    model = small.build(small.distilling(teacher, setting, **changes))
    small.losses(model, data)
    return model, model.terms[0].loss.seen


def test_every_tap_hands_over_labels_and_places(teacher):
    data = small.batch()
    for tap, kind in (('logits', 'Rows'), ('features', 'Maps'), ('embedding', 'Embeddings')):
        _, found = seen(teacher, term(tap, kind, 'target', 'index', 'epoch'), data)
        assert torch.equal(found['target'], data['labels'])
        assert torch.equal(found['index'], data['index'])
        assert found['epoch'] == 0


def test_a_batch_without_places_is_refused_where_they_are_needed(teacher):
    data = {name: value for name, value in small.batch().items() if name != 'index'}
    with pytest.raises(ValueError, match='its samples need an `index`'):
        seen(teacher, term('logits', 'Rows', 'index'), data)
    seen(teacher, term('logits', 'Rows', 'target'), data)


def test_the_classes_of_the_training_set_come_by_a_hook(teacher, tmp_path):
    finished = trained(tmp_path / 'with', teacher, [dict(type='luminet_det.TrainingLabelsHook')])
    assert finished.code == 0, finished.text
    finished = trained(tmp_path / 'without', teacher, [])
    assert "Add dict(type='luminet_det.TrainingLabelsHook') to custom_hooks" in finished.last_line


def trained(folder, teacher, hooks):
    model = small.distilling(teacher, [term('embedding', 'Embeddings', 'training_labels')])
    path = small.runner_config(folder, model, 1, custom_hooks=hooks)
    path.write_text(path.read_text().replace("classification.small'", "classification.small', 'tests.needy'"))
    return runs.run(train.main, [path, '--work-dir', folder / 'work'], folder)


def test_a_data_set_that_does_not_say_its_classes_is_named():
    class Unlabelled(list):
        pass

    class Runner:
        class train_dataloader:
            dataset = Unlabelled([1, 2])

        message_hub = MessageHub.get_current_instance()

    with pytest.raises(ValueError, match='a Unlabelled, does not say the class of every image'):
        TrainingLabelsHook().before_train(Runner)
    Unlabelled.labels = [1, 0]
    TrainingLabelsHook().before_train(Runner)
    assert Runner.message_hub.get_info('training_labels').tolist() == [1, 0]


def test_relu_chooses_for_each_network_what_is_compared(teacher):
    _, found = seen(teacher, term('features', 'Maps', relu='after-before'))
    assert all((stage >= 0).all() for stage in found['student'][:1])
    assert (found['teacher'][0] < 0).any()
    _, before = seen(teacher, term('features', 'Maps', relu='before'))
    assert (before['student'][0] < 0).any()
    assert torch.equal(before['teacher'][0], found['teacher'][0])


def test_maps_after_their_relu_are_refused_to_a_loss_that_is_made_for_those_before(tmp_path):
    network = dict(type='luminet_det.resnet8x4', num_classes=4)
    teacher = small.save_teacher(tmp_path / 'teacher.pth', small.setting(network=network))
    ofd = dict(tap='features', stages=[1, 2, 3], loss=dict(type='luminet_det.OFDLoss'))
    with pytest.raises(ValueError, match="OFDLoss needs relu='before' in its term"):
        small.build(small.distilling(teacher, [ofd], network=network))
    small.build(small.distilling(teacher, [dict(ofd, relu='before')], network=network))


def test_a_compiled_step_is_one_piece(teacher):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    setting = dict(tap='features', loss=dict(type='luminet_det.FitNetLoss'))
    model = small.build(small.distilling(teacher, [setting], compile=dict(backend='eager')))
    for _ in range(2):
        small.losses(model)
    assert not torch._dynamo.utils.counters['graph_break']


def test_the_doctor_hands_over_the_training_labels_where_the_hook_would(teacher):
    class Labelled(list):
        labels = (1, 0)
        metainfo = {}

    hook = dict(type='luminet_det.TrainingLabelsHook')
    for hooks, expected in (([hook], [1, 0]), ([], None)):
        MessageHub.get_instance('doctor').pop_info('training_labels')
        enter_training(Config(dict(train_cfg=dict(max_epochs=2), custom_hooks=hooks)), Labelled([0, 0]))
        found = MessageHub.get_instance('doctor').get_info('training_labels')
        assert (found if found is None else found.tolist()) == expected


def test_stages_are_chosen_and_the_embedding_is_a_map_of_one_pixel(teacher):
    _, every = seen(teacher, term('features', 'Maps'))
    _, found = seen(teacher, term('features', 'Maps', stages=[-1], pooled=True))
    assert len(found['teacher']) == 2
    assert torch.equal(found['teacher'][0], every['teacher'][-1])
    assert found['teacher'][1].shape == (8, 12, 1, 1)


def test_views_come_together_to_a_loss_that_compares_them(teacher):
    _, found = seen(teacher, term('logits', 'Views'), small.batch(views=2))
    assert [view.shape for view in found['student']] == [(8, 4)] * 2
    assert not torch.equal(*found['teacher'])


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        (term('features', 'Maps', stages=2), r'a list of indices such as stages=\[2\]'),
        (
            term('features', 'Maps', stages=[1, -1]),
            r'asks for one of them twice; there are 2: 0 to 1',
        ),
        (term('features', 'Maps', stages=[1, 0]), r'is out of order; write stages=\[0, 1\]'),
        (term('features', 'Maps', stages=[9]), "stages=.9. of tap 'features' asks for 9, but there are 2"),
        (term('features', 'Maps', stages=[]), "stages=.. of tap 'features' is unknown"),
        (term('features', 'Maps', pooled=1), "pooled=1 of tap 'features' is unknown; choose one of False, True"),
        (term('features', 'Maps', 'boxes'), 'ground-truth boxes'),
        (term('embedding', 'Embeddings', 'norms'), "the tap 'embedding' of this model does not"),
    ],
)
def test_what_a_tap_does_not_have_is_refused(teacher, setting, message):
    with pytest.raises(ValueError, match=message):
        seen(teacher, setting)


def test_lists_of_different_length_are_refused_with_the_stages_to_choose(tmp_path):
    wide = small.setting(network=dict(type='luminet_det.vgg8', num_classes=4))
    teacher = small.save_teacher(tmp_path / 'teacher.pth', wide)
    with pytest.raises(
        ValueError, match=r'gives 2 stages in the student.*5 in the teacher.*stages=\[1\].*stages=\[-1\]'
    ):
        seen(teacher, term('features', 'Maps'))


@pytest.mark.parametrize('name', ['resnet20', 'resnet8x4', 'resnet50_32px', 'wrn_16_2', 'vgg8', 'vgg13', 'torchvision'])
def test_the_norms_are_those_before_the_last_relu_of_each_stage(name):
    network = (
        MODELS.build(dict(type='luminet_det.TorchvisionNetwork', name='resnet18'))
        if name == 'torchvision'
        else getattr(models, name)()
    )
    norms = norms_before_relu(network)
    given = {}
    handles = [norm.register_forward_hook(lambda m, i, out: given.update({m: out.clone()})) for norm in norms]
    network.eval()
    with torch.no_grad():
        outputs = network(torch.randn(1, 3, 64, 64))
    for handle in handles:
        handle.remove()
    assert len(norms) == len(outputs.before_relu)
    for norm, before in zip(norms, outputs.before_relu, strict=True):
        assert norm.num_features == before.shape[1]
        assert given[norm].shape == before.shape


def test_a_network_without_such_norms_says_which_have_them():
    with pytest.raises(ValueError, match='not known for MobileNetV2.*ResNets, wide ResNets and VGGs'):
        norms_before_relu(models.mobilenetv2_half())


def test_a_teacher_with_batch_statistics_answers_by_them_and_keeps_its_running_ones(teacher):
    own, batch = (dict(teacher, batch_statistics=setting) for setting in (False, True))
    first, answer = seen(own, term('logits', 'Rows'))
    model, other = seen(batch, term('logits', 'Rows'))
    assert not torch.allclose(answer['teacher'], other['teacher'])
    taught = model.teachers[0].model
    kept = first.teachers[0].model.state_dict()
    for name, value in taught.state_dict().items():
        assert torch.equal(value, kept[name]), name
    assert not any(module.training for module in taught.modules())
    training = [module for module in taught.modules() if isinstance(module, nn.BatchNorm2d)]
    data = model.data_preprocessor(dict(small.batch()), True)
    for norm in training:
        norm.train()
    torch.testing.assert_close(taught.outputs(data['inputs']).logits, other['teacher'])
