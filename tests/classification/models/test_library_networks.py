"""Models of torchvision and timm give the same kinds of outputs as the package's own, whatever their architecture."""

import copy
import gc
import pickle
import sys
import weakref

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint
from torchvision import models

from luminet_det.classification.models.library_network import LibraryNetwork
from tests.classification.models.networks import network

SWIN = dict(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4), window_size=4)
# Channels of each stage; which stages end in an activation module, and which in a ReLU whose input is not available.
TORCHVISION = {
    'resnet18': ([64, 64, 128, 256, 512], [0, 1, 2, 3, 4], []),
    'mobilenet_v2': ([16, 24, 32, 96, 1280], [4], []),
    'squeezenet1_1': ([64, 128, 256, 512], [0], [1, 2, 3]),
    'shufflenet_v2_x0_5': ([24, 48, 96, 1024], [0, 3], [1, 2]),
    'mnasnet0_5': ([8, 16, 24, 48, 1280], [4], []),
    'alexnet': ([64, 192, 256], [0, 1, 2], []),
    'densenet121': ([64, 256, 512, 1024, 1024], [0], [4]),
}
TIMM = {
    'test_resnet': ({}, 5),
    'test_efficientnet': ({}, 5),
    'test_convnext': ({}, 4),
    'swin_tiny_patch4_window7_224': (SWIN, 4),
    'test_vit': ({}, 7),
}


def images(size: int = 96, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def last_layer(built: nn.Module) -> nn.Module:
    return built.model.get_submodule(built.places.embedding.module)


@pytest.mark.parametrize('name', TORCHVISION)
def test_a_torchvision_model_gives_its_stages(name):
    channels, activated, hidden = TORCHVISION[name]
    built = network('TorchvisionNetwork', 5, name=name)
    outputs = built.eval()(images())
    assert outputs.logits.shape == (2, 5)
    assert [maps.shape[1] for maps in outputs.features] == channels
    sizes = [maps.shape[2] for maps in outputs.features]
    assert sizes == sorted(set(sizes), reverse=True)
    for i, (after, before) in enumerate(zip(outputs.features, outputs.before_relu, strict=True)):
        if i in activated:
            # An in-place activation would have left no value below zero in its input.
            assert before.min() < 0
            assert torch.equal(before.clamp(0, 6 if name == 'mobilenet_v2' else None), after)
        else:
            assert after is before
            assert (before.min() == 0) == (i in hidden)
    assert [i for i, rectified in enumerate(built.places.rectified) if rectified] == hidden


@pytest.mark.parametrize('name', TIMM)
def test_a_timm_model_gives_its_stages(name):
    settings, stages = TIMM[name]
    built = network('TimmNetwork', 5, name=name, **settings).eval()
    size = 224 if name.startswith('swin') else 160
    outputs = built(images(size))
    assert len(outputs.features) == len(outputs.before_relu) == stages
    if name == 'test_vit':
        assert {tokens.shape for tokens in outputs.features} == {(2, 101, 64)}
    else:
        assert all(maps.shape[2] == maps.shape[3] != maps.shape[1] for maps in outputs.features)


@pytest.mark.parametrize(
    'settings',
    [
        dict(type='TorchvisionNetwork', name='resnet18'),
        dict(type='TorchvisionNetwork', name='mobilenet_v2'),
        dict(type='TimmNetwork', name='test_convnext'),
        dict(type='TimmNetwork', name='test_vit'),
    ],
)
def test_the_last_layer_makes_the_logits_of_the_embedding(settings):
    settings = dict(settings)
    built = network(settings.pop('type'), 6, **settings).eval()
    outputs = built(images(160))
    assert torch.allclose(last_layer(built)(outputs.embedding), outputs.logits, atol=1e-5)


def test_a_last_convolution_is_seen_through_its_average():
    built = network('TorchvisionNetwork', name='squeezenet1_1').eval()
    assert built(images()).embedding.shape == (2, 512)


def test_it_is_the_librarys_model_under_a_prefix():
    torch.manual_seed(0)
    plain = models.resnet18(num_classes=100)
    built = network('TorchvisionNetwork', name='resnet18')
    assert list(built.state_dict()) == [f'model.{key}' for key in plain.state_dict()]
    built.load_state_dict({f'model.{key}': value for key, value in plain.state_dict().items()})
    for mode in (True, False):
        assert torch.equal(built.train(mode)(images()).logits, plain.train(mode)(images()))


def test_finding_the_stages_moves_no_running_statistic_and_leaves_the_model_in_training():
    built = network('TorchvisionNetwork', name='resnet18')
    assert all(module.training for module in built.modules())
    norms = [module for module in built.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(int(n.num_batches_tracked) == 0 and n.running_mean.count_nonzero() == 0 for n in norms)
    built(images())
    assert all(int(n.num_batches_tracked) == 1 for n in norms)


def test_no_tensor_is_held_after_the_forward_pass():
    built = network('TorchvisionNetwork', name='resnet18')
    outputs = built(images())
    held = [weakref.ref(tensor) for tensor in (*outputs.features, *outputs.before_relu, outputs.embedding)]
    del outputs
    gc.collect()
    assert [ref for ref in held if ref() is not None] == []


def test_no_tensor_is_held_when_the_forward_pass_fails_or_a_block_runs_again_in_backward():
    class Recomputed(nn.Sequential):
        def forward(self, x):
            return checkpoint(super().forward, x, use_reentrant=False)

    blocks = [nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU()), nn.Sequential(nn.Conv2d(4, 8, 3, 2), nn.ReLU())]
    built = LibraryNetwork(nn.Sequential(Recomputed(*blocks), nn.Flatten(), nn.LazyLinear(5)), [32])
    outputs = built(images(32))
    assert len(outputs.features) == 2
    outputs.logits.sum().backward()
    assert built._record.kept is None
    with pytest.raises(RuntimeError):
        built(images(64))
    assert built._record.kept is None


def test_a_second_forward_pass_leaves_the_outputs_of_the_first():
    built = network('TorchvisionNetwork', name='resnet18').eval()
    first = built(images())
    kept = [tensor.clone() for tensor in first.features]
    second = built(images() * 2)
    assert all(torch.equal(a, b) for a, b in zip(first.features, kept, strict=True))
    assert not torch.equal(first.features[0], second.features[0])


@pytest.mark.parametrize('copied', [copy.deepcopy, lambda built: pickle.loads(pickle.dumps(built))])
def test_a_copy_tells_of_itself(copied):
    built = network('TorchvisionNetwork', name='resnet18').eval()
    other = copied(built)
    expected = built(images()).features
    nn.init.zeros_(built.model.conv1.weight)
    assert all(torch.equal(a, b) for a, b in zip(other(images()).features, expected, strict=True))
    assert not torch.equal(built(images()).features[0], expected[0])


def test_it_trains_under_distributed_data_parallel():
    distributed.init_process_group('gloo', store=distributed.HashStore(), rank=0, world_size=1)
    try:
        built = DistributedDataParallel(network('TorchvisionNetwork', name='resnet18'))
        for _ in range(2):
            outputs = built(images(64))
            (outputs.logits.sum() + outputs.features[-1].sum()).backward()
    finally:
        distributed.destroy_process_group()
    assert built.module.model.conv1.weight.grad is not None


def test_it_compiles_without_a_graph_break():
    built = network('TorchvisionNetwork', name='resnet18').eval()
    outputs = torch.compile(built, backend='eager', fullgraph=True)(images())
    expected = built(images())
    assert torch.equal(outputs.logits, expected.logits)
    assert all(torch.equal(a, b) for a, b in zip(outputs.features, expected.features, strict=True))


def test_a_model_without_stages_gives_none():
    outputs = LibraryNetwork(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5)), [32])(images(32))
    assert outputs.features == outputs.before_relu == ()
    assert outputs.embedding.shape == (2, 3072)


def test_a_model_that_trains_with_auxiliary_heads_gives_its_own_logits():
    built = network('TorchvisionNetwork', name='googlenet', init_weights=False)
    assert built(images(64)).logits.shape == (2, 100)


def test_a_model_made_for_other_images_says_what_it_was_tried_with():
    with pytest.raises(ValueError, match='Sequential accepts images of none of these sizes: 64: '):
        LibraryNetwork(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5)), [64])


def test_a_norm_that_sync_bn_has_replaced_is_named():
    built = network('TimmNetwork', name='test_convnext')
    last = built.places.features[-1].module
    assert last == 'norm_pre'
    built.model.norm_pre = nn.Identity()
    with pytest.raises(RuntimeError, match='norm_pre of ConvNeXt has not run.*sync_bn'):
        built(images())


@pytest.mark.parametrize(
    ('library', 'name', 'near'), [('Torchvision', 'resnet180', 'resnet18'), ('Timm', 'resnet18_', 'resnet18')]
)
def test_an_unknown_name_comes_with_the_nearest(library, name, near):
    with pytest.raises(ValueError, match=f'network.name={name!r}. The nearest: .*{near}'):
        network(f'{library}Network', name=name)


def test_timm_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ImportError, match=r"pip install '\.\[timm\]'"):
        network('TimmNetwork', name='test_resnet')


def test_settings_reach_the_librarys_model():
    assert network('TorchvisionNetwork', name='mobilenet_v2', dropout=0.7).model.classifier[0].p == 0.7
    assert network('TimmNetwork', name='test_resnet', drop_rate=0.7).model.drop_rate == 0.7


@pytest.mark.parametrize(
    ('kind', 'name', 'made_for', 'asked'),
    [('TorchvisionNetwork', 'alexnet', 128, 32), ('TimmNetwork', 'vit_tiny_patch16_224', 224, 32)],
)
def test_images_of_a_size_that_a_model_does_not_take_are_named_with_what_to_change(kind, name, made_for, asked):
    built = network(kind, 5, name=name).eval()
    with pytest.raises(
        RuntimeError, match=rf'{name} accepts no images of {asked} px, but those of {made_for} px. Set resize='
    ):
        built(images(asked))


def test_another_fault_of_a_model_stays_as_it_is():
    built = network('TorchvisionNetwork', 5, name='resnet18').eval()
    with pytest.raises(RuntimeError, match='expected input'):
        built(torch.zeros(1, 4, 64, 64))
