import copy
import pickle

import pytest
import torch
from mmengine.logging import MMLogger
from torch.nn.functional import adaptive_avg_pool2d
from torch.optim import SGD

from luminet_det.distillation.announcement import announcement
from luminet_det.losses import KDLoss, LumiNetLoss
from luminet_det.registry import MODELS
from tests import methods
from tests.classification import small

LUMINET = dict(type='luminet_det.LumiNetLoss', tau=2.0, loss_weight=3.0)


@MODELS.register_module()
class LateNet(small.SmallNet):
    """Pools all images to 32 pixels, so the stride of its last map depends on the image size, as VGG's does."""

    def forward(self, x):
        return super().forward(adaptive_avg_pool2d(x, 32))


@pytest.fixture
def teacher(tmp_path):
    return small.save_teacher(tmp_path / 'teacher.pth')


def trained(config, steps=3):
    model = small.build(config)
    optimizer = SGD(model.parameters(), 0.1)
    for step in range(steps):
        found = small.losses(model, small.batch(seed=step))
        optimizer.zero_grad()
        sum(value for name, value in found.items() if 'loss' in name).backward()
        optimizer.step()
    return model


def logits_of(config, seed, inputs, mean=small.MEAN, std=small.STD, training=False):
    model = small.build(config, seed).train(training)
    with torch.no_grad():
        return model.network(small.normalised(inputs, mean, std)).logits


@pytest.mark.parametrize('distill', [[], [dict(tap='logits', loss=dict(LUMINET, loss_weight=0.0))]])
def test_weight_zero_is_nothing(teacher, distill):
    plain, distilled = trained(small.setting()), trained(small.distilling(teacher, distill))
    for (name, mine), theirs in zip(plain.state_dict().items(), distilled.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name


def test_the_term_is_the_loss_of_both_networks_logits_on_the_same_images(teacher):
    data = small.batch()
    found = small.losses(small.build(small.distilling(teacher, dict(tap='logits', loss=LUMINET))), data)
    theirs = logits_of(teacher['config'], 1, data['inputs'])
    own = logits_of(small.setting(), 0, data['inputs'], training=True)
    torch.testing.assert_close(found['loss_luminet'], LumiNetLoss(tau=2.0, loss_weight=3.0)(own, theirs))
    assert found['agreement'] == (own.argmax(1) == theirs.argmax(1)).float().mean()


def test_the_checkpoint_is_the_plain_students(teacher):
    plain, distilled = small.build(small.setting()), trained(small.distilling(teacher))
    plain.load_state_dict(distilled.state_dict(), strict=True)
    assert {id(p) for p in distilled.parameters()} == {id(p) for p in distilled.network.parameters()}


def test_nothing_but_training_needs_the_teacher(teacher):
    model = small.build(small.distilling(dict(teacher, checkpoint='gone.pth')))
    (said,) = model.val_step(small.batch())
    assert said['logits'].isfinite().all()
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        small.losses(model)


def test_the_teacher_sees_its_own_pixels(tmp_path):
    mean, std = [10.0, 20.0, 30.0], [100.0, 50.0, 25.0]
    config = small.setting(width=12, mean=mean, std=std)
    model = small.build(small.distilling(small.save_teacher(tmp_path / 'other.pth', config)))
    data = small.batch()
    small.losses(model, data)
    said = model.links[0].answer(model.data_preprocessor(dict(data), True)['inputs'], {'logits'}).logits
    torch.testing.assert_close(said, logits_of(config, 1, data['inputs'], mean, std), rtol=1e-4, atol=1e-4)


def test_an_ensembles_logits_are_averaged_before_the_loss(tmp_path):
    teachers = [small.save_teacher(tmp_path / f'{seed}.pth', seed=seed) for seed in (1, 2)]
    data = small.batch()
    found = small.losses(small.build(small.distilling(teachers)), data)
    mean = sum(logits_of(teachers[0]['config'], seed, data['inputs']) for seed in (1, 2)) / 2
    own = logits_of(small.setting(), 0, data['inputs'], training=True)
    torch.testing.assert_close(found['loss_luminet'], LumiNetLoss()(own, mean))


def test_two_views_give_the_mean_of_the_term(teacher):
    model, data = small.build(small.distilling(teacher)), small.batch(views=2)
    views = [small.losses(model, dict(data, inputs=part))['loss_luminet'] for part in data['inputs'].split(8)]
    torch.testing.assert_close(small.losses(model, data)['loss_luminet'], sum(views) / 2)


def test_the_teacher_may_take_a_batch_in_parts(teacher):
    found = [
        small.losses(small.build(small.distilling(dict(teacher, batch_size=size))))['loss_luminet']
        for size in (None, 3)
    ]
    torch.testing.assert_close(*found)


def test_terms_combine_on_one_tap_and_over_taps(teacher):
    same_width = dict(teacher, config=small.setting())
    torch.save({'state_dict': small.build(small.setting(), 5).state_dict()}, same_width['checkpoint'])
    terms = [
        dict(tap='logits', loss=LUMINET),
        dict(tap='logits', loss=dict(type='luminet_det.KDLoss')),
        dict(tap='features', loss=dict(type='luminet_det.PKDLoss'), relu='before'),
        dict(tap='embedding', loss=dict(type='mmdet.MSELoss')),
    ]
    model = small.build(small.distilling(same_width, terms))
    found = small.losses(model)
    assert [name for name in found if name.startswith('loss_')] == [
        'loss_ce', 'loss_luminet', 'loss_kd', 'loss_pkd', 'loss_mse'
    ]  # fmt: skip
    assert all(found[name] > 0 for name in found if name.startswith('loss_'))
    sum(value for name, value in found.items() if 'loss' in name).backward()
    shares = small.losses(model)
    assert 0 < shares['gradient_share_luminet'] < 1
    assert 0 < shares['gradient_share_kd'] < 1


def test_relu_chooses_what_is_compared(teacher):
    same_width = dict(teacher, config=small.setting())
    torch.save({'state_dict': small.build(small.setting(), 5).state_dict()}, same_width['checkpoint'])
    before, after = (
        small.losses(
            small.build(
                small.distilling(same_width, dict(tap='features', loss=dict(type='luminet_det.PKDLoss'), relu=relu))
            )
        )['loss_pkd']
        for relu in ('before', 'after')
    )
    assert not torch.isclose(before, after)


@pytest.mark.parametrize(
    ('relu', 'stages', 'hidden'),
    [('before', 'all', '1, 2, 3'), ('after-before', [0, -2], '2'), ('before', [0], ''), ('after', 'all', '')],
)
def test_maps_before_a_relu_that_a_network_does_not_show_are_refused(tmp_path, relu, stages, hidden):
    network = dict(type='luminet_det.TorchvisionNetwork', name='squeezenet1_1', num_classes=4)
    teacher = small.save_teacher(tmp_path / 'squeezenet.pth', small.setting(network=network))
    term = dict(tap='features', relu=relu, stages=stages, loss=dict(type='luminet_det.ATLoss'))
    model = small.build(small.distilling(teacher, [term], network=network))
    data = dict(small.batch(), inputs=torch.zeros(8, 3, 64, 64, dtype=torch.uint8))
    if not hidden:
        assert small.losses(model, data)['loss_at'].isfinite()
        return
    with pytest.raises(ValueError, match=rf"squeezenet1_1 .* at the stages \[{hidden}\], .*Set relu='after'"):
        small.losses(model, data)


def test_a_teacher_of_named_classes_in_another_order_is_gathered(tmp_path, monkeypatch):
    names = ('ant', 'bee', 'cat', 'dog')
    teacher = small.save_teacher(tmp_path / 't.pth', small.setting(width=12, num_classes=5), ('dog', 'eel', *names[:3]))
    monkeypatch.setattr('luminet_det.classification.distill_classifier.run_info', lambda *_: dict(classes=names))
    data = small.batch()
    found = small.losses(small.build(small.distilling(teacher)), data)
    theirs = logits_of(teacher['config'], 1, data['inputs'])[:, [2, 3, 4, 0]]
    own = logits_of(small.setting(), 0, data['inputs'], training=True)
    torch.testing.assert_close(found['loss_luminet'], LumiNetLoss()(own, theirs))


def test_another_number_of_classes_stops_the_run(tmp_path):
    teacher = small.save_teacher(tmp_path / 't.pth', small.setting(width=12, num_classes=5))
    with pytest.raises(ValueError, match='The teacher has 5 classes, the student 4') as caught:
        small.losses(small.build(small.distilling(teacher)))
    assert 'Use a teacher with these 4 classes (config and checkpoint of model.teacher)' in str(caught.value)


def test_the_students_classes_are_listed_where_the_teachers_have_no_names(tmp_path):
    teacher = small.save_teacher(tmp_path / 't.pth', small.setting(width=12, num_classes=5))
    methods.hub('unnamed', dataset_meta=dict(classes=('ant', 'bee', 'cat', 'dog')))
    with pytest.raises(ValueError, match='student: ant, bee, cat, dog'):
        small.losses(small.build(small.distilling(teacher)))
    given = small.distilling(dict(teacher, classes=['emu', 'dog', 'cat', 'bee', 'ant']))
    assert small.losses(small.build(given))['loss_luminet'] > 0


@pytest.mark.parametrize('compile', [False, dict(backend='eager')], ids=['eager', 'compiled'])
def test_features_may_be_of_a_teacher_of_other_classes(tmp_path, compile):
    teacher = small.save_teacher(tmp_path / 't.pth', small.setting(width=12, num_classes=5))
    term = dict(tap='embedding', loss=dict(type='luminet_det.RKDLoss'))
    model = small.build(small.distilling(teacher, [term], compile=compile))
    found = small.losses(model)
    assert found['loss_rkd'] > 0
    # There is no agreement to measure between different classes.
    assert 'agreement' not in found
    assert "classes  not the student's, and no term compares them" in announcement(
        model.teachers, model.links, model._named_terms()
    )
    model.teachers[0].model.network.fc.weight.data[0] = float('nan')
    with pytest.raises(FloatingPointError, match='sample 0 of the training set'):
        small.losses(model)


def test_a_detector_cannot_teach_a_classifier(tmp_path):
    from tests import pairs, tiny

    teacher = pairs.save_teacher(tmp_path / 'detector.pth', tiny.faster_rcnn())
    with pytest.raises(ValueError, match='A classifier learns from a classifier; the teacher is a FasterRCNN'):
        small.losses(small.build(small.distilling(teacher)))


def test_a_badly_loaded_teacher_stops_the_run(teacher):
    with pytest.raises(RuntimeError, match='does not fit its config.*another width'):
        small.losses(small.build(small.distilling(dict(teacher, config=small.setting(width=10)))))


def test_a_teacher_that_says_nan_is_named_with_the_image(teacher):
    model = small.build(small.distilling(teacher))
    small.losses(model)
    model.teachers[0].model.network.fc.weight.data[0] = float('nan')
    with pytest.raises(FloatingPointError, match='sample 0 of the training set'):
        small.losses(model)


def test_a_network_of_logits_alone_has_no_other_tap(teacher):
    from tests.classification.test_classifier import LogitsOnly  # noqa: F401  (registered there)

    term = dict(tap='embedding', loss=dict(type='mmdet.MSELoss'))
    model = small.build(small.distilling(teacher, term, network=dict(type='luminet_det.LogitsOnly')))
    with pytest.raises(ValueError, match="The tap 'embedding' is empty"):
        small.losses(model)


@pytest.mark.parametrize(
    ('tap', 'loss', 'shapes'),
    [
        ('features', 'luminet_det.PKDLoss', r'\[\(8, 8, 8\), \(8, 4, 4\)\] in the student and \[\(12, 8, 8\)'),
        ('embedding', 'mmdet.MSELoss', r'\[\(8,\)\] in the student and \[\(12,\)\] in the teacher'),
    ],
)
def test_other_shapes_are_refused_with_both(teacher, tap, loss, shapes):
    model = small.build(small.distilling(teacher, dict(tap=tap, loss=dict(type=loss))))
    with pytest.raises(ValueError, match=f"The tap '{tap}' gives {shapes}"):
        small.losses(model)


@pytest.mark.parametrize('loss', ['FitNetLoss', 'CWDLoss', 'MGDLoss'])
def test_maps_whose_stride_goes_with_the_images_are_compared_at_their_size(teacher, loss):
    term = dict(tap='features', stages=[-1], loss=dict(type=f'luminet_det.{loss}'))
    network = dict(type='luminet_det.LateNet', width=8, num_classes=4)
    data = dict(inputs=torch.randn(2, 3, 128, 128), labels=torch.tensor([0, 1]))
    config = small.distilling(teacher, [term], network=network)
    with pytest.raises(ValueError, match=r'\(8, 8\) and \(32, 32\).*set model\.image_size'):
        small.build(config)(**data, mode='loss')
    config['image_size'] = 64
    if loss == 'FitNetLoss':  # its convolution bridges a factor of two
        assert small.build(config)(inputs=data['inputs'][..., :64, :64], labels=data['labels'], mode='loss')
    else:
        with pytest.raises(ValueError, match="A student's map has to have the teacher's stride"):
            small.build(config)


@pytest.mark.parametrize(
    ('ce_weight', 'loss', 'warned'),
    [(0.0, LUMINET, True), (1.0, LUMINET, False), (0.0, dict(type='luminet_det.KDLoss'), False)],
)
def test_luminet_without_a_loss_that_sees_the_scale_is_warned_of(teacher, caplog, ce_weight, loss, warned):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    small.build(small.distilling(teacher, [dict(tap='logits', loss=loss)], ce_weight=ce_weight))
    logger.removeHandler(caplog.handler)
    assert ('Set model.ce_weight=1.0 or 2.0' in caplog.text) == warned


def test_gradients_reach_the_student_and_not_the_teacher(teacher):
    model = small.build(small.distilling(teacher))
    small.losses(model)['loss_luminet'].backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.teachers[0].model.parameters())
    assert not model.teachers[0].model.training


@pytest.mark.parametrize('backend', ['aot_eager', 'inductor'])
def test_a_compiled_step_gives_the_losses_and_gradients_of_an_eager_one(teacher, backend):
    eager, compiled = (
        small.build(small.distilling(teacher, compile=value)) for value in (False, dict(backend=backend))
    )
    for model in (eager, compiled):
        found = small.losses(model)
        (found['loss_ce'] + found['loss_luminet']).backward()
    torch.testing.assert_close(small.losses(eager)['loss_luminet'], small.losses(compiled)['loss_luminet'])
    for mine, theirs in zip(eager.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_copies_share_the_teacher(teacher):
    model = small.build(small.distilling(teacher))
    small.losses(model)
    assert copy.deepcopy(model).teachers[0].model is model.teachers[0].model
    assert not pickle.loads(pickle.dumps(model)).teachers[0].built


def test_statistics_are_in_float32_under_amp(teacher):
    model = small.build(small.distilling(teacher, dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0))))
    with torch.autocast('cpu', torch.bfloat16):
        found = small.losses(model)
    assert found['loss_kd'].dtype == found['loss_ce'].dtype == torch.float32
    full = small.losses(
        small.build(small.distilling(teacher, dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0))))
    )
    torch.testing.assert_close(found['loss_kd'], full['loss_kd'], rtol=0.1, atol=1e-3)


def test_a_warm_up_in_epochs_is_constant_within_one():
    term = small.build(
        small.distilling(dict(config='unused'), dict(tap='logits', loss=LUMINET, warmup='20 epochs'))
    ).terms[0]
    steps = ((0, 0), (700, 0), (782, 1), (9999, 19), (10**6, 200))
    assert [term.weight(*step) for step in steps] == [0.05, 0.05, 0.1, 1.0, 1.0]


def test_kd_with_the_papers_weights_is_the_papers_sum(teacher):
    data = small.batch()
    terms = dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))
    found = small.losses(small.build(small.distilling(teacher, terms, ce_weight=0.1)), data)
    own = logits_of(small.setting(), 0, data['inputs'], training=True)
    theirs = logits_of(teacher['config'], 1, data['inputs'])
    torch.testing.assert_close(found['loss_ce'], 0.1 * torch.nn.functional.cross_entropy(own, data['labels']))
    torch.testing.assert_close(found['loss_kd'], KDLoss(tau=4.0, loss_weight=0.9)(own, theirs))
