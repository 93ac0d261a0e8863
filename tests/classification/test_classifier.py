import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from luminet_det.classification import classifier
from luminet_det.classification.data import collate_images
from luminet_det.registry import METRICS, MODELS
from tests import methods
from tests.classification import small


@MODELS.register_module()
class LogitsOnly(nn.Sequential):
    """A custom network that uses nothing of luminet_det and returns only logits."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))


@MODELS.register_module()
class OnePixel(nn.Sequential):
    """A network with BatchNorm on maps of one pixel."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 16), nn.BatchNorm2d(4), nn.Flatten())


def test_the_loss_is_the_weighted_cross_entropy_of_normalised_pixels():
    model, data = small.build(small.setting(ce_weight=0.5, label_smoothing=0.1)), small.batch()
    logits = model.network(small.normalised(data['inputs'])).logits
    expected = 0.5 * F.cross_entropy(logits, data['labels'], label_smoothing=0.1)
    torch.testing.assert_close(small.losses(model, data)['loss_ce'], expected)


def test_cross_entropy_is_the_mean_over_the_views():
    model, data = small.build(small.setting()), small.batch(views=2)
    views = [dict(data, inputs=part) for part in data['inputs'].split(8)]
    expected = sum(small.losses(model, view)['loss_ce'] for view in views) / 2
    torch.testing.assert_close(small.losses(model, data)['loss_ce'], expected)


def test_channels_last_changes_the_layout_and_not_the_numbers():
    plain, last = (small.build(small.setting(channels_last=value)) for value in (False, True))
    assert last.network.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(small.losses(plain)['loss_ce'], small.losses(last)['loss_ce'])


def test_any_module_that_gives_logits_will_do():
    model = small.build(small.setting(network=dict(type='luminet_det.LogitsOnly')))
    small.losses(model)['loss_ce'].backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    (said,) = model.val_step(small.batch())
    assert said['logits'].shape == (8, 4)


def test_a_batch_of_one_image_trains_where_batch_norm_can():
    model = small.build(small.setting())
    assert small.losses(model, small.batch(images=1))['loss_ce'].isfinite()


@pytest.mark.parametrize('compiled', [False, dict(backend='eager')], ids=['eager', 'compiled'])
def test_a_batch_of_one_position_says_drop_last(compiled):
    model = small.build(small.setting(network=dict(type='luminet_det.OnePixel'), compile=compiled))
    with pytest.raises(ValueError, match='train_dataloader.drop_last=True'):
        small.losses(model, small.batch(images=1))


@pytest.mark.parametrize('distils', [False, True], ids=['plain', 'distilling'])
def test_of_a_batch_whose_images_were_all_skipped_nothing_is_learned(tmp_path, distils):
    model = small.build(small.distilling(small.save_teacher(tmp_path / 't.pth')) if distils else small.setting())
    nothing = collate_images([None, None])
    small.losses(model, nothing)['loss_ce'].backward()
    assert all(parameter.grad.count_nonzero() == 0 for parameter in model.parameters())
    (said,) = model.val_step(nothing)
    assert [tuple(said[key].shape) for key in ('logits', 'labels', 'index')] == [(0, 4), (0,), (0,)]


def test_a_process_without_an_image_stops_the_others_from_waiting_for_it(monkeypatch):
    monkeypatch.setattr(classifier, 'get_world_size', lambda: 2)
    with pytest.raises(ValueError, match='Remove the files that the log names'):
        small.losses(small.build(small.setting()), collate_images([None]))


def test_a_mistyped_setting_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match='ce_weight must be a finite number, 0 or above, got ce_weight=-1'):
        small.build(small.setting(ce_weight=-1))
    with pytest.raises(ValueError, match="no setting 'ce_wieght'. Did you mean 'ce_weight'"):
        small.build(small.distilling(None, [], ce_wieght=1))
    with pytest.raises(ValueError, match="no setting 'ce_wieght'. Did you mean 'ce_weight'"):
        small.build(small.setting(ce_wieght=1))
    network = dict(type='luminet_det.resnet8', num_clases=10)
    with pytest.raises(ValueError, match="luminet_det.resnet8 has no setting 'num_clases'. Did you mean 'num_classes'"):
        small.build(small.setting(network=network))


def test_a_compiled_step_gives_the_losses_and_gradients_of_an_eager_one():
    eager, compiled = (small.build(small.setting(compile=value)) for value in (False, dict(backend='aot_eager')))
    for model in (eager, compiled):
        small.losses(model)['loss_ce'].backward()
    for mine, theirs in zip(eager.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_a_compile_without_options_of_its_own_is_one():
    assert small.build(small.setting(compile={})).compile_options == {}
    assert small.build(small.setting(compile=False)).compile_options is None


def test_a_copy_of_a_compiled_classifier_compiles_its_own_and_can_be_pickled():
    model = small.build(small.setting(compile=dict(backend='eager')))
    before = small.losses(model)['loss_ce']
    twin = copy.deepcopy(model)
    with torch.no_grad():
        model.network.fc.weight.zero_()
        model.network.fc.bias.zero_()
    torch.testing.assert_close(small.losses(twin)['loss_ce'], before)
    pickle.loads(pickle.dumps(model))


def accuracy(logits, labels, topk=(1, 5)):
    metric = METRICS.build(dict(type='luminet_det.Accuracy', topk=topk))
    metric.process({}, [dict(logits=torch.tensor(logits), labels=torch.tensor(labels))])
    return metric.evaluate(len(labels))


def test_accuracy_counts_labels_among_the_highest_logits():
    logits = [[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]
    assert accuracy(logits, [0, 1, 2, 2], topk=(1, 2)) == {'accuracy/top1': 50.0, 'accuracy/top2': 75.0}


def test_of_logits_that_tie_the_first_class_comes_first():
    logits = [[1.0, 1.0, 0.0]] * 3
    assert accuracy(logits, [0, 1, 2], topk=(1, 2)) == {'accuracy/top1': 33.3333, 'accuracy/top2': 66.6667}
    assert accuracy([[0.0] * 4] * 4, [0, 1, 2, 3], topk=1) == {'accuracy/top1': 25.0}


def test_logits_that_are_no_numbers_are_never_right():
    assert accuracy([[float('nan'), 0.0], [float('nan')] * 2], [0, 1])['accuracy/top5'] == 0.0


def test_accuracy_of_a_duplicated_last_image_of_several_processes_is_that_of_the_set():
    metric = METRICS.build(dict(type='luminet_det.Accuracy'))
    metric.process(
        {}, [dict(logits=torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), labels=torch.tensor([0, 0, 0]))]
    )
    assert metric.evaluate(2)['accuracy/top1'] == 50.0


@pytest.mark.parametrize(('label', 'shown'), [(2, '2'), (-1, '-1')])
def test_a_label_that_is_no_class_is_named_with_its_image_and_the_setting(label, shown):
    metric = METRICS.build(dict(type='luminet_det.Accuracy'))
    said = dict(logits=torch.zeros(3, 2), labels=torch.tensor([0, label, 1]), index=torch.tensor([4, 5, 6]))
    message = rf'1 of 3 labels of a batch are outside 0 to 1: {shown} \(image 5\).*model.network.num_classes'
    with pytest.raises(ValueError, match=message):
        metric.process({}, [said])


def pretrained(path, **changes):
    return small.setting(init_cfg=dict(type='Pretrained', checkpoint=str(path)), **changes)


@pytest.mark.parametrize('prefix', ['', 'module.', 'network.'])
def test_a_pretrained_checkpoint_is_taken_in_every_form(tmp_path, prefix):
    source = small.build(small.setting(), seed=3)
    torch.save({f'{prefix}{key}': value for key, value in source.network.state_dict().items()}, tmp_path / 'p.pth')
    model = small.build(pretrained(tmp_path / 'p.pth'))
    assert torch.equal(model.network.fc.weight, source.network.fc.weight)


def test_a_pretrained_checkpoint_of_other_classes_gives_all_but_the_last_layer(tmp_path):
    source = small.build(small.setting(num_classes=7), seed=3)
    torch.save(source.network.state_dict(), tmp_path / 'p.pth')
    model = small.build(pretrained(tmp_path / 'p.pth'))
    assert torch.equal(model.network.conv1.weight, source.network.conv1.weight)
    assert model.network.fc.weight.shape == (4, 8)


def test_a_pretrained_checkpoint_of_another_network_stops_the_run(tmp_path):
    torch.save(small.build(small.setting(width=9)).network.state_dict(), tmp_path / 'p.pth')
    with pytest.raises(RuntimeError, match='does not fit its config.*Set model.init_cfg.checkpoint'):
        small.build(pretrained(tmp_path / 'p.pth'))


def test_an_unknown_network_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'luminet_det.resnet8x4'"):
        small.build(small.setting(network=dict(type='luminet_det.resnet8_x4')))


@pytest.mark.parametrize('container', ['state_dict', 'model', 'model_state_dict', 'net'])
def test_a_checkpoint_may_keep_its_weights_under_the_usual_keys(tmp_path, container):
    source = small.build(small.setting(), seed=3)
    torch.save({container: source.network.state_dict(), 'epoch': 3, 'optimizer_state_dict': {}}, tmp_path / 'p.pth')
    model = small.build(pretrained(tmp_path / 'p.pth'))
    assert torch.equal(model.network.fc.weight, source.network.fc.weight)


class TwoHeads(nn.Module):
    """A hidden layer and two heads, like those of a class token and a distillation token."""

    def __init__(self, num_classes, hidden=8):
        super().__init__()
        self.body = nn.Linear(3, hidden)
        self.second = nn.Linear(hidden, num_classes)
        self.first = nn.Linear(hidden, num_classes)

    def forward(self, images):
        found = self.body(images.mean((2, 3)))
        return (self.first(found) + self.second(found)) / 2


def two_heads(path, **changes):
    network = dict(type=TwoHeads, num_classes=4, **changes)
    return small.build(dict(pretrained(path), network=network))


def test_all_layers_that_have_a_row_for_each_class_start_anew_for_other_classes(tmp_path):
    source = TwoHeads(num_classes=7)
    torch.save(source.state_dict(), tmp_path / 'p.pth')
    model = two_heads(tmp_path / 'p.pth')
    assert torch.equal(model.network.body.weight, source.body.weight)
    assert model.network.first.weight.shape == model.network.second.weight.shape == (4, 8)


def test_a_hidden_layer_of_another_width_does_not(tmp_path):
    torch.save(TwoHeads(num_classes=7, hidden=9).state_dict(), tmp_path / 'p.pth')
    with pytest.raises(RuntimeError, match='does not fit its config'):
        two_heads(tmp_path / 'p.pth')


def test_heads_for_different_numbers_of_classes_do_not(tmp_path):
    source = TwoHeads(num_classes=7)
    source.second = nn.Linear(8, 6)
    torch.save(source.state_dict(), tmp_path / 'p.pth')
    with pytest.raises(RuntimeError, match='does not fit its config'):
        two_heads(tmp_path / 'p.pth')


@pytest.mark.parametrize('value', [-0.1, 1.5, 'a bit'])
def test_a_label_smoothing_that_is_no_share_is_named(value):
    with pytest.raises(ValueError, match=f'label_smoothing={value!r}'):
        small.build(small.setting(label_smoothing=value))


@pytest.mark.parametrize('checkpoint', [False, True])
def test_a_list_of_initialisations_is_mmengines(tmp_path, checkpoint):
    weights = dict(type='Pretrained', checkpoint=small.save_teacher(tmp_path / 'it.pth', small.setting())['checkpoint'])
    constant = dict(type='Constant', layer='Linear', val=0.5)
    model = small.build(small.setting(init_cfg=[constant] + [weights] * checkpoint))
    assert (model.network.fc.weight == 0.5).all() == (not checkpoint)


@MODELS.register_module()
class Elsewhere(small.SmallNet):
    """A network as in other projects: its last-defined layer makes no logits, and these may be in a tuple or dict."""

    def __init__(self, gives='logits', **settings) -> None:
        super().__init__(**settings)
        self.gives = gives
        self.projection = torch.nn.Linear(8, 16)

    def forward(self, x):
        outputs = super().forward(x)
        return dict(logits=outputs.logits, tuple=(outputs.logits, {}), dict=dict(logits=outputs.logits))[self.gives]


def test_logits_are_counted_where_they_come_out():
    methods.hub('four', dataset_meta=dict(classes=tuple('abcd')))
    model = small.build(small.setting(network=dict(type='luminet_det.Elsewhere')))
    assert small.losses(model)['loss_ce'] > 0
    methods.hub('three', dataset_meta=dict(classes=tuple('abc')))
    with pytest.raises(ValueError, match='has 4 outputs, and the training set 3 classes'):
        small.losses(small.build(small.setting(network=dict(type='luminet_det.Elsewhere'))))


def test_a_training_set_of_one_class_is_refused():
    methods.hub('one', dataset_meta=dict(classes=('cat',)))
    with pytest.raises(ValueError, match=r'has only one class, cat,.*train_dataloader\.dataset\.data_root'):
        small.losses(small.build(small.setting(num_classes=1)), small.batch(classes=1))


@pytest.mark.parametrize(('gives', 'shown'), [('tuple', r'a tuple \(Tensor, dict\)'), ('dict', 'a dict')])
def test_a_network_that_gives_something_else_is_told_what_to_return(gives, shown):
    model = small.build(small.setting(network=dict(type='luminet_det.Elsewhere', gives=gives)))
    with pytest.raises(TypeError, match=rf'Elsewhere returns {shown}. Let its forward return the logits'):
        small.losses(model)


@pytest.mark.parametrize('key', ['weights', 'pretrained'])
def test_published_weights_for_other_classes_are_told_where_they_go(key):
    network = dict(type='luminet_det.TorchvisionNetwork', name='resnet18', num_classes=4, **{key: 'DEFAULT'})
    with pytest.raises(
        ValueError, match=rf"network.{key}=.*model.init_cfg=dict.*'torchvision://resnet18.imagenet1k_v1"
    ):
        small.build(small.setting(network=network))


def test_options_of_compile_are_a_dict():
    with pytest.raises(ValueError, match=r"dict\(mode='reduce-overhead'\); got compile='reduce-overhead'"):
        small.build(small.setting(compile='reduce-overhead'))


def test_accuracy_takes_one_k_and_refuses_what_is_none():
    assert accuracy([[0.0, 1.0]], [1], topk=1) == {'accuracy/top1': 100.0}
    for topk in (0, (), (1, 'five')):
        with pytest.raises(ValueError, match='Accuracy.topk='):
            accuracy([[0.0, 1.0]], [1], topk=topk)
