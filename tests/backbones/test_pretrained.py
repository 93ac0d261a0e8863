"""TimmBackbone(pretrained=...): init_weights loads timm's weights or a file's, completely, without running code."""

import pickle

import pytest
import timm
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from safetensors.torch import save_file

from luminet_det.backbones import TimmBackbone
from tests import pairs
from tests.backbones.detectors import faster_rcnn

RESNET = dict(model_name='test_resnet', out_indices=(1, 2, 3, 4))
SWIN = dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 4), window_size=4)
SWIN = dict(model_name='swin_tiny_patch4_window7_224', out_indices=(0, 1, 2), **SWIN)
OPTIONS = ('embed_dim', 'depths', 'num_heads', 'window_size')


def published(settings: dict) -> dict[str, torch.Tensor]:
    """The weights of a whole classifier, as timm publishes them."""
    torch.manual_seed(7)
    options = {name: settings[name] for name in OPTIONS if name in settings}
    return timm.create_model(settings['model_name'], **options).state_dict()


def written(path, weights):
    if path.suffix == '.safetensors':
        save_file(weights, path)
    else:
        torch.save(dict(state_dict=weights), path)
    return str(path)


def is_loaded(backbone: TimmBackbone, weights: dict) -> bool:
    """Whether the backbone has the parameters of the classifier, whose `stages.0` it calls `stages_0`."""
    known = {key.replace('.', '_'): value for key, value in weights.items()}
    return all(torch.equal(p, known[key.replace('.', '_')]) for key, p in backbone.network.named_parameters())


@pytest.mark.parametrize('settings', [RESNET, SWIN], ids=['ResNet', 'Swin'])
@pytest.mark.parametrize('name', ['weights.safetensors', 'weights.pth'])
def test_a_file_of_the_classifier_is_loaded_by_init_weights_not_before(settings, name, tmp_path):
    weights = published(settings)
    backbone = TimmBackbone(pretrained=written(tmp_path / name, weights), **settings)
    assert not is_loaded(backbone, weights)
    backbone.init_weights()
    assert is_loaded(backbone, weights)


def test_true_asks_timm_for_its_weights_when_a_detector_is_initialised():
    """Offline, the overlay's weights stand in for those of the hub."""
    weights = published(RESNET)
    settings = dict(RESNET, pretrained=True, pretrained_cfg_overlay=dict(state_dict=weights), frozen_stages=1)
    channels = TimmBackbone(**settings).channels
    model = faster_rcnn(dict(settings, type='luminet_det.TimmBackbone'), channels)
    detector = MODELS.build(ConfigDict(model))
    assert not is_loaded(detector.backbone, weights)
    detector.init_weights()
    assert is_loaded(detector.backbone, weights)
    assert not any(p.requires_grad for p in detector.backbone.network['conv1'].parameters())


def test_a_teacher_has_the_weights_of_its_checkpoint_and_asks_for_no_others(tmp_path):
    channels = TimmBackbone(**RESNET).channels
    model = faster_rcnn(dict(RESNET, type='luminet_det.TimmBackbone'), channels)
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', model)
    teacher['config']['backbone']['pretrained'] = str(tmp_path / 'nowhere.pth')
    student = pairs.build(pairs.distilling(faster_rcnn(dict(model['backbone'], pretrained=False), channels), teacher))
    assert pairs.step(student)['loss_luminet'] > 0


def test_loading_leaves_the_random_state_alone(tmp_path):
    backbone = TimmBackbone(pretrained=written(tmp_path / 'weights.pth', published(RESNET)), **RESNET)
    before = torch.get_rng_state()
    backbone.init_weights()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_file_that_lacks_weights_is_refused(tmp_path):
    half = {key: value for key, value in published(RESNET).items() if not key.startswith('layer4')}
    backbone = TimmBackbone(pretrained=written(tmp_path / 'half.pth', half), **RESNET)
    with pytest.raises(ValueError, match=r'lacks \d+ of \d+ weights that the network needs, e.g. layer4'):
        backbone.init_weights()


def test_a_file_of_another_network_is_refused(tmp_path):
    backbone = TimmBackbone(pretrained=written(tmp_path / 'other.pth', published(SWIN)), **RESNET)
    with pytest.raises(ValueError, match='other.pth.* (cannot be loaded. Give the file of|lacks)'):
        backbone.init_weights()


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save(dict(state_dict=print), tmp_path / 'evil.pth')
    with pytest.raises(pickle.UnpicklingError, match='was refused'):
        TimmBackbone(pretrained=str(tmp_path / 'evil.pth'), **RESNET).init_weights()


def test_a_file_that_is_not_there_is_an_error_when_training_begins(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        TimmBackbone(pretrained=str(tmp_path / 'nowhere.pth'), **RESNET).init_weights()


def test_weights_that_timm_cannot_get_are_an_error_that_offers_a_file(tmp_path):
    overlay = dict(file=str(tmp_path / 'nowhere.pth'))
    with pytest.raises(ValueError, match='pretrained=True cannot be loaded. Without a network, give the path'):
        TimmBackbone(pretrained=True, pretrained_cfg_overlay=overlay, **RESNET).init_weights()


def test_pretrained_and_init_cfg_exclude_each_other():
    with pytest.raises(ValueError, match='both pretrained=True and an init_cfg; keep one'):
        TimmBackbone(pretrained=True, init_cfg=dict(type='Pretrained', checkpoint='x.pth'), **RESNET)


def test_init_cfg_loads_a_checkpoint_of_the_backbone(tmp_path):
    torch.manual_seed(3)
    donor = TimmBackbone(**RESNET)
    torch.save(donor.state_dict(), tmp_path / 'backbone.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'backbone.pth'))
    backbone = TimmBackbone(init_cfg=init_cfg, **RESNET)
    backbone.init_weights()
    assert all(torch.equal(value, donor.state_dict()[key]) for key, value in backbone.state_dict().items())
