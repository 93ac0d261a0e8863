"""TimmBackbone: networks of every kind train and teach, and each setting does what it says."""

import copy
import pickle
import sys

import pytest
import torch
from mmdet.models.backbones import ResNet
from mmengine.model import convert_sync_batchnorm
from timm.layers import DropPath
from torch import nn

from luminet_det.backbones import TimmBackbone
from tests.backbones.detectors import FPN_STRIDES, distilling_step, faster_rcnn

SWIN = dict(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4), window_size=4)
NETWORKS = {
    'ResNet': dict(model_name='test_resnet', out_indices=(1, 2, 3, 4)),
    'MobileNetV3': dict(model_name='mobilenetv3_small_050', out_indices=(1, 2, 3, 4)),
    'MobileNetV4': dict(model_name='mobilenetv4_conv_small_035', out_indices=(1, 2, 3, 4)),
    'EfficientNet': dict(model_name='test_efficientnet', out_indices=(1, 2, 3, 4)),
    'ConvNeXt': dict(model_name='test_convnext', out_indices=(0, 1, 2, 3), drop_path_rate=0.1),
    'Swin': dict(model_name='swin_tiny_patch4_window7_224', out_indices=(0, 1, 2, 3), drop_path_rate=0.1, **SWIN),
    'ViT': dict(model_name='test_vit', out_indices=(5,)),
}
networks = pytest.mark.parametrize('name', NETWORKS)


def backbone(name: str, **settings) -> TimmBackbone:
    torch.manual_seed(0)
    return TimmBackbone(**NETWORKS[name] | settings)


def images(height: int = 64, width: int = 96, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def frozen(module: nn.Module) -> list[str]:
    return [name for name, p in module.named_parameters() if not p.requires_grad]


@networks
def test_it_trains_as_a_student_and_answers_as_a_teacher(name, tmp_path):
    built = backbone(name)
    settings = dict(NETWORKS[name], type='luminet_det.TimmBackbone')
    distilling_step(faster_rcnn(settings, built.channels, built.strides), tmp_path)


@networks
def test_maps_have_the_channels_and_strides_it_tells_whatever_the_images_size(name):
    built = backbone(name).eval()
    assert built.strides == ([16] if name == 'ViT' else list(FPN_STRIDES))
    for height, width in ((64, 96), (160, 128), (72, 100)):
        with torch.no_grad():
            maps = built(images(height, width))
        assert isinstance(maps, tuple)
        assert [level.shape[1] for level in maps] == built.channels
        # Networks may round sizes up or down.
        for level, stride in zip(maps, built.strides, strict=True):
            assert abs(level.shape[2] - height / stride) < 1
            assert abs(level.shape[3] - width / stride) < 1


@pytest.mark.parametrize(('name', 'levels'), [(n, (0, 1, 2)) for n in NETWORKS] + [('ViT', (1, 3)), ('Swin', (1,))])
def test_nothing_is_built_past_the_last_output(name, levels):
    built = backbone(name, out_indices=levels, drop_path_rate=0.0)
    sum(level.square().mean() for level in built(images())).backward()
    assert not [parameter for parameter, p in built.named_parameters() if p.grad is None]


def test_negative_indices_count_from_the_last():
    first, last = backbone('Swin', out_indices=(2, 3)), backbone('Swin', out_indices=(-2, -1))
    assert last.out_indices == first.out_indices == (2, 3)
    assert all(torch.equal(a, b) for a, b in zip(first.eval()(images()), last.eval()(images()), strict=True))


def test_maps_of_a_network_that_computes_in_nhwc_are_the_networks_own():
    built = backbone('Swin').eval()
    own = built.network(images())
    assert all(torch.equal(a, b.permute(0, 3, 1, 2)) for a, b in zip(built(images()), own, strict=True))


@pytest.mark.parametrize('stages', range(-1, 5))
def test_a_resnets_stages_freeze_as_mmdets_do(stages):
    built = TimmBackbone('resnet18', out_indices=(1, 2, 3, 4), frozen_stages=stages)
    theirs = ResNet(18, frozen_stages=stages, norm_eval=False)
    for module in (built, theirs):
        module.train()
    assert [p.shape for p in built.parameters() if not p.requires_grad] == [
        p.shape for p in theirs.parameters() if not p.requires_grad
    ]
    count = [sum(m.training for m in b.modules() if isinstance(m, nn.BatchNorm2d)) for b in (built, theirs)]
    assert count[0] == count[1]


@networks
def test_frozen_stages_neither_learn_nor_follow_the_batch(name):
    built = backbone(name, frozen_stages=1).train()
    before = copy.deepcopy(built.state_dict())
    stem = frozen(backbone(name, frozen_stages=0))
    assert 0 < len(stem) < len(frozen(built)) < len(list(built.parameters()))
    loss = sum(level.square().mean() for level in built(images()))
    loss.backward()
    torch.optim.SGD([p for p in built.parameters() if p.requires_grad], lr=1.0).step()
    changed = {key for key, value in built.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert not changed & set(frozen(built))
    # The running statistics of frozen layers have not moved either.
    owners = {parameter.rpartition('.')[0] for parameter in frozen(built)}
    assert not {key for key in changed if key.rpartition('.')[0] in owners}
    assert not [owner for owner in owners if owner != 'network.model' and built.get_submodule(owner).training]


def test_a_stage_that_is_not_there_cannot_be_frozen():
    with pytest.raises(ValueError, match=r'frozen_stages=3, but test_resnet with out_indices=\(1, 2\) has 2 stages'):
        backbone('ResNet', out_indices=(1, 2), frozen_stages=3)
    with pytest.raises(ValueError, match='does not tell where the stages of hrnet_w18_small end; set frozen_stages=-1'):
        TimmBackbone('hrnet_w18_small', out_indices=(1, 2), frozen_stages=1)


@pytest.mark.parametrize('norm_eval', [True, False])
def test_norm_eval_keeps_the_statistics(norm_eval):
    built = backbone('ResNet', norm_eval=norm_eval).train()
    before = {key: value.clone() for key, value in built.state_dict().items() if 'running_mean' in key}
    built(images())
    assert all(torch.equal(built.state_dict()[key], value) for key, value in before.items()) == norm_eval
    assert built.training


def test_drop_path_is_at_work_in_training_alone():
    rates = [m.drop_prob for m in backbone('ConvNeXt', drop_path_rate=0.4).modules() if isinstance(m, DropPath)]
    assert max(rates) == pytest.approx(0.4)
    # timm's Swin drops a tenth of the paths unless it is told not to.
    assert not [m for m in backbone('Swin', drop_path_rate=0.0).modules() if isinstance(m, DropPath)]
    with pytest.raises(ValueError, match="timm's vgg11 has no drop path; remove drop_path_rate=0.1"):
        TimmBackbone('vgg11', out_indices=(1,), drop_path_rate=0.1)


@pytest.mark.parametrize('name', ['ConvNeXt', 'Swin'])
def test_deepcopies_and_pickles_give_the_same_maps(name):
    built = backbone(name).eval()
    for twin in (copy.deepcopy(built), pickle.loads(pickle.dumps(built))):
        assert all(torch.equal(a, b) for a, b in zip(built(images()), twin(images()), strict=True))


def test_a_compiled_one_gives_the_same_maps():
    built = backbone('Swin').eval()
    expected = built(images())
    built.compile(backend='eager')
    assert all(torch.equal(a, b) for a, b in zip(built(images()), expected, strict=True))


def test_a_name_that_timm_does_not_have_names_the_nearest():
    with pytest.raises(ValueError, match=r"no model_name='mobilnetv3_small_50'. The nearest: .*mobilenetv3_small_050"):
        TimmBackbone('mobilnetv3_small_50', out_indices=(1,))


@pytest.mark.parametrize('out_indices', [(1, 7), (2, 1), (1, 1), (), (-9,)])
@pytest.mark.parametrize('name', ['ResNet', 'MobileNetV3', 'ViT'])
def test_levels_that_are_not_there_are_refused_with_those_that_are(name, out_indices):
    levels = 'stride 16, 64 channels' if name == 'ViT' else r'0 \(stride 2, \d+ channels\), 1 \(stride 4'
    with pytest.raises(ValueError, match=rf'must rise and be among the levels of \w+, which are .*{levels}'):
        backbone(name, out_indices=out_indices)


def test_an_option_that_the_network_does_not_have_is_refused():
    with pytest.raises(ValueError, match="timm's test_resnet cannot be built with .*'embed_dim'"):
        backbone('ResNet', embed_dim=8)


def test_without_timm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ImportError, match="TimmBackbone needs timm: pip install 'timm>=1.0"):
        backbone('ResNet')


def test_a_network_of_one_image_size_says_so():
    built = TimmBackbone('beit_base_patch16_224', out_indices=(1,), depth=2, embed_dim=24, num_heads=2)
    assert built(images(224, 224))[0].shape == (2, 24, 14, 14)
    with pytest.raises(
        ValueError, match='beit_base_patch16_224 is made for images of 224 x 224 and cannot take .*64 x 96'
    ):
        built(images())


def test_an_error_that_is_not_about_size_is_left_alone():
    with pytest.raises(RuntimeError, match='type'):
        backbone('ResNet')(images().double())


def test_sync_bn_that_would_drop_activations_is_refused():
    settings = dict(model_name='test_efficientnet', out_indices=(1, 2))
    with pytest.raises(RuntimeError, match='Remove sync_bn from the config'):
        convert_sync_batchnorm(TimmBackbone(**settings)).train()
    convert_sync_batchnorm(backbone('ResNet')).train()
