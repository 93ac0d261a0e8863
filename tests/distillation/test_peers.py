"""Mutual learning: each network has its own losses and terms against all others, and alone learns from them."""

import copy
import pickle
import signal

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from luminet_det.compat import checkpoints
from tests import dense, pairs, runs, tiny
from tests.classification import small
from tests.detection.test_processes import processes
from tests.learner import NECK
from tools import train

KD = dict(type='luminet_det.KDLoss', tau=1.0)
ON_ROIS = dict(tap='roi_cls', loss=KD)
ON_LOGITS = dict(tap='logits', loss=KD)


def peer(**changes):
    return dict(config=small.setting(**changes), trainable=True)


def classifier(*peers, distill=ON_LOGITS, **changes):
    return small.build(small.distilling(list(peers), [distill], **changes))


def detector(peers=1, distill=ON_ROIS):
    settings = [dict(config=tiny.faster_rcnn(base_channels=16), trainable=True)] * peers
    return pairs.build(pairs.distilling(tiny.faster_rcnn(), settings, distill))


def kl(own, other):
    return kl_div(log_softmax(own, 1), log_softmax(other, 1), reduction='batchmean', log_target=True).item()


def test_away_from_a_peers_weights_and_the_network_a_student_predicts_and_training_asks_for_them():
    config = tiny.faster_rcnn()
    config['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint='http://127.0.0.1:9/gone.pth')
    model = pairs.build(pairs.distilling(tiny.faster_rcnn(), dict(config=config, trainable=True), ON_ROIS))
    assert set(model.state_dict()) == set(pairs.build(tiny.faster_rcnn()).state_dict())
    with pytest.raises(OSError, match='127.0.0.1:9/gone.pth'):
        pairs.step(model)


@pytest.mark.parametrize('number', [1, 2])
def test_each_network_has_its_own_loss_and_its_mean_divergence_from_the_others(number):
    model = classifier(*[peer(width=12)] * number)
    data = small.batch()
    found = small.losses(model, data)
    inputs = model.data_preprocessor(dict(data), True)['inputs']
    networks = [model, *model.peers]
    logits = [network.outputs(inputs).logits for network in networks]
    for i, own in enumerate(logits):
        prefix = f'peer{i}_' if i else ''
        others = [other for j, other in enumerate(logits) if j != i]
        expected = sum(kl(own, other) for other in others) / len(others)
        assert found[f'{prefix}loss_kd'].item() == pytest.approx(expected, rel=1e-4)
        assert found[f'{prefix}loss_ce'].item() == pytest.approx(cross_entropy(own, data['labels']).item(), rel=1e-4)


def gradient(model, loss, parameters):
    return torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)


def test_no_gradient_flows_into_the_network_that_is_compared_with():
    model = classifier(peer())
    found = small.losses(model)
    assert all(g is None for g in gradient(model, found['loss_kd'], model.peers.parameters()))
    assert all(g is None for g in gradient(model, found['peer1_loss_kd'], model.network.parameters()))
    assert all(g is not None for g in gradient(model, found['peer1_loss_kd'], model.peers.parameters()))


def test_peers_of_one_architecture_start_from_different_weights():
    model = classifier(peer(), peer())
    weights = [network.network.conv1.weight for network in (model, *model.peers)]
    assert not any(torch.equal(weights[i], weights[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_the_student_starts_as_it_would_alone():
    plain = small.build(small.setting())
    for (name, mine), theirs in zip(classifier(peer()).state_dict().items(), plain.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name


def test_a_peer_may_start_from_a_checkpoint(tmp_path):
    saved = small.save_teacher(tmp_path / 'peer.pth')
    model = classifier(dict(saved, trainable=True))
    weights = checkpoints.load(saved['checkpoint'])['state_dict']
    assert torch.equal(model.peers[0].network.conv1.weight, weights['network.conv1.weight'])


def test_the_students_initialisation_is_not_that_of_a_peer(tmp_path):
    saved = small.save_teacher(tmp_path / 'peer.pth')
    model = classifier(dict(saved, trainable=True), init_cfg=dict(type='Constant', layer='Conv2d', val=0.5))
    assert (model.network.conv1.weight == 0.5).all()
    weights = checkpoints.load(saved['checkpoint'])['state_dict']
    assert torch.equal(model.peers[0].network.conv1.weight, weights['network.conv1.weight'])


def test_several_views_are_averaged():
    model = classifier(peer())
    both = small.batch(views=2)
    found = small.losses(model, both)
    model.eval()
    alone = [small.losses(model, dict(both, inputs=inputs)) for inputs in both['inputs'].chunk(2)]
    together = small.losses(model, both)
    mean = sum(view['peer1_loss_kd'].item() for view in alone) / 2
    assert together['peer1_loss_kd'].item() == pytest.approx(mean, rel=1e-4)
    assert found['peer1_loss_ce'] > 0


def test_a_loss_that_compares_views_gets_them_of_all_networks():
    mlld = dict(ON_LOGITS, loss=dict(type='luminet_det.MLLDLoss'))
    found = small.losses(classifier(peer(), distill=mlld), small.batch(views=2))
    assert found['loss_mlld'] > 0
    assert found['peer1_loss_mlld'] > 0
    with pytest.raises(ValueError, match='two views'):
        small.losses(classifier(peer(), distill=mlld))


def test_the_schedule_holds_for_all_networks():
    model = classifier(peer(), distill=dict(ON_LOGITS, warmup=4))
    full = classifier(peer())
    ramped, whole = small.losses(model), small.losses(full)
    for name in ('loss_kd', 'peer1_loss_kd'):
        assert ramped[name].item() == pytest.approx(whole[name].item() / 4, rel=1e-5)
    assert ramped['peer1_loss_ce'] == whole['peer1_loss_ce']


def test_a_peers_cross_entropy_has_the_weight_of_its_own_config():
    whole, half = (small.losses(classifier(peer(ce_weight=weight))) for weight in (1.0, 0.5))
    assert half['peer1_loss_ce'].item() == pytest.approx(whole['peer1_loss_ce'].item() / 2)
    assert half['loss_ce'] == whole['loss_ce']


def test_a_peer_sees_the_pixels_that_it_would_see_alone():
    model = classifier(peer(mean=[0.0] * 3, std=[255.0] * 3))
    seen, data = [], small.batch()
    model.peers[0].network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    small.losses(model, data)
    own, of_student = (each.data_preprocessor(dict(data), True)['inputs'] for each in (model.peers[0], model))
    torch.testing.assert_close(seen[0], own)
    assert not torch.allclose(own, of_student)


def test_without_terms_the_networks_train_each_by_itself():
    model = small.build(small.distilling([peer()], []))
    found = small.losses(model)
    assert {'loss_ce', 'peer1_loss_ce'} <= found.keys()
    assert 'peer1_loss_kd' not in found


def test_running_statistics_of_each_network_move():
    model = classifier(peer())
    before = [network.network.bn1.running_mean.clone() for network in (model, model.peers[0])]
    small.losses(model)
    for old, network in zip(before, (model, model.peers[0]), strict=True):
        assert not torch.equal(old, network.network.bn1.running_mean)


def test_detectors_are_compared_on_the_students_rois():
    model = detector()
    found = pairs.step(model)
    assert {'peer1_loss_cls', 'peer1_loss_rpn_cls', 'peer1_loss_kd', 'loss_kd'} <= found.keys()
    plain = pairs.step(pairs.build(tiny.faster_rcnn()))
    for name, value in plain.items():
        assert torch.equal(torch.as_tensor(found[name]), torch.as_tensor(value)), name
    pairs.total(model, found).backward()
    assert all(p.grad is not None for p in model.peers.parameters())


def test_a_peer_detector_sees_the_pixels_that_it_would_see_alone():
    config = tiny.faster_rcnn()
    config['data_preprocessor'] |= dict(mean=[0.0] * 3, std=[255.0] * 3)
    model = pairs.build(pairs.distilling(tiny.faster_rcnn(), dict(config=config, trainable=True), ON_ROIS))
    seen = []
    model.peers[0].backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pairs.step(model)
    own, of_student = (pairs.batch(each)[0] for each in (model.peers[0], model))
    torch.testing.assert_close(seen[0], own)
    assert not torch.allclose(own, of_student)


def test_a_peers_classes_are_those_of_the_training_set():
    model = detector()
    hub = MessageHub.get_instance('peers')
    hub.update_info('loop_stage', 'train')
    hub.update_info('dataset_meta', dict(classes=tiny.classes()))
    assert pairs.step(model)['peer1_loss_kd'] > 0
    assert model.teachers[0].classes == tiny.classes()


def test_equal_detectors_have_nothing_to_learn_from_each_other():
    model = pairs.build(pairs.distilling(tiny.faster_rcnn(), dict(config=tiny.faster_rcnn(), trainable=True), ON_ROIS))
    assert pairs.step(model)['loss_kd'] > 1e-6
    model.peers[0].load_state_dict(model.state_dict())
    found = pairs.step(model)
    assert found['loss_kd'].item() == pytest.approx(0, abs=1e-6)
    assert found['agreement'] == 1


@pytest.mark.parametrize('build', [lambda: classifier(peer(width=12)), detector], ids=['classifier', 'detector'])
def test_the_state_dict_is_the_plain_students(build):
    model = build()
    assert not any('peer' in name for name in model.state_dict())
    assert any(name.startswith('peers.0.') for name, _ in model.named_parameters())
    model.load_state_dict(model.state_dict(), strict=True)


@pytest.mark.parametrize(
    ('teacher', 'distill', 'message'),
    [
        (dict(peer(), trainable='True'), ON_LOGITS, r"trainable='True'\) is neither True, for a peer"),
        ([peer(), small.setting()], ON_LOGITS, 'frozen teachers and trainable ones'),
        (
            peer(),
            dict(tap='embedding', loss=dict(type='mmdet.MSELoss')),
            "by losses without learned layers; the term MSELoss on tap 'emb",
        ),
        (dict(peer(), dtype='bf16'), ON_LOGITS, "A teacher with trainable=True has no setting 'dtype'"),
        (dict(trainable=True), ON_LOGITS, "lacks the key 'config'"),
        (peer(num_classes=5), ON_LOGITS, "Set num_classes=4 in the peer's config"),
    ],
)
def test_what_peers_cannot_do_is_refused(teacher, distill, message):
    with pytest.raises(ValueError, match=message):
        small.losses(small.build(small.distilling(teacher, [distill])))


def test_losses_that_learn_are_refused():
    with pytest.raises(ValueError, match="LearnerLoss on tap 'neck' does not"):
        detector(distill=NECK)


def test_single_stage_detectors_say_that_they_need_frozen_teachers():
    student = dict(dense.model('retinanet'), type='luminet_det.DistillSingleStageDetector')
    setting = dict(teacher=dict(config=dense.model('retinanet'), trainable=True), distill=[])
    with pytest.raises(ValueError, match='DistillSingleStageDetector cannot learn together'):
        pairs.step(pairs.build(student | setting))


def test_a_pickle_and_a_copy_carry_the_setting():
    teacher = classifier(peer()).teachers[0]
    again = pickle.loads(pickle.dumps(teacher))
    assert again.trainable
    assert again.config == teacher.config


def trained(folder, *argv, **changes):
    model = small.distilling([peer(width=12)], [ON_LOGITS])
    path = small.runner_config(folder, model, **changes)
    return runs.run(train.main, [path, '--work-dir', folder / 'work', *argv], folder)


def test_a_killed_run_resumes_exactly_with_its_peers(tmp_path):
    whole = trained(tmp_path / 'whole')
    assert whole.code == 0, whole.text
    assert 'peer     luminet_det.Classifier' in whole.text
    hook = dict(type='SignalHook', number=int(signal.SIGKILL), iteration=4)
    changes = {'default_hooks.checkpoint.by_epoch': False, 'default_hooks.killer': hook}
    assert trained(tmp_path / 'part', **changes).code == -signal.SIGKILL
    changes['default_hooks.killer'] = dict(hook, iteration=-1)
    assert trained(tmp_path / 'part', '--resume', **changes).code == 0
    mine = checkpoints.load(tmp_path / 'part' / 'work' / 'iter_6.pth')
    theirs = checkpoints.load(tmp_path / 'whole' / 'work' / 'epoch_2.pth')
    peers = [saved['message_hub']['runtime_info']['luminet_det.peers'][0] for saved in (mine, theirs)]
    for own, other in ((mine['state_dict'], theirs['state_dict']), peers):
        assert all(torch.equal(own[name], other[name]) for name in other)
    # The peer's state is that of a plain classifier.
    small.build(small.setting(width=12)).load_state_dict(peers[0], strict=True)


def train_rank(rank, model):
    detector = pairs.build(model)
    wrapped = MMDistributedDataParallel(detector, broadcast_buffers=False, find_unused_parameters=False)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.01)
    for _ in range(2):
        inputs, samples = pairs.batch(detector, seed=rank)
        optimizer.zero_grad()
        pairs.total(detector, wrapped(inputs, samples, mode='loss')).backward()
        optimizer.step()
    return {name: p.detach() for name, p in detector.named_parameters()}


def test_on_two_processes_the_peers_weights_agree(tmp_path):
    setting = dict(config=tiny.faster_rcnn(base_channels=16), trainable=True)
    first, second = processes(train_rank, pairs.distilling(tiny.faster_rcnn(), setting, ON_ROIS), folder=tmp_path)
    for name, mine in first.items():
        assert torch.equal(mine, second[name]), name


@pytest.mark.parametrize('again', [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_teaches_its_own_peers(again):
    original = classifier(peer(width=12))
    model = again(original)
    assert model.teachers[0].model is model.peers[0]
    pairs.total(model, small.losses(model, small.batch())).backward()
    assert all(p.grad is not None for p in model.peers.parameters())
    assert all(p.grad is None for p in original.peers.parameters())
