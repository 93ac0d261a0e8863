"""A neck that does not fit its backbone is refused with the channels to write; errors with other causes stay."""

import copy

import pytest
import torch
from mmdet.models.necks import YOLOV3Neck
from torch import nn

from luminet_det.backbones import check_neck, explain_neck
from tests import pairs, tiny
from tests.backbones.detectors import FPN_STRIDES, faster_rcnn

TIMM = dict(type='luminet_det.TimmBackbone', model_name='test_resnet', out_indices=(1, 2, 3, 4))
CHANNELS = [32, 48, 192, 96]
VIT = dict(type='luminet_det.TimmBackbone', model_name='test_vit', out_indices=(3, 5))
MOBILENET = dict(type='MobileNetV2', widen_factor=0.25, out_indices=(1, 2, 4, 7))
IMAGES = torch.zeros(1, 3, 64, 64)


def retinanet(backbone: dict, **neck) -> dict:
    head = dict(
        type='RetinaHead',
        num_classes=3,
        in_channels=16,
        feat_channels=16,
        anchor_generator=dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[8, 16, 32, 64, 128]),
    )
    fpn = dict(type='FPN', out_channels=16, start_level=1, add_extra_convs='on_input', num_outs=5)
    return dict(type='RetinaNet', backbone=backbone, neck=fpn | neck, bbox_head=head, train_cfg=None, test_cfg={})


def test_a_timm_backbone_that_fits_passes():
    for model in (faster_rcnn(TIMM, CHANNELS), faster_rcnn(VIT, [64, 64], (16, 16)), tiny.faster_rcnn()):
        detector = pairs.build(model)
        check_neck(detector)
        with explain_neck(detector):
            detector.extract_feat(IMAGES)
    check_neck(pairs.build(retinanet(TIMM, in_channels=CHANNELS)))
    check_neck(nn.Linear(2, 2))


@pytest.mark.parametrize('wrong', [[64, 128, 256, 512], [32, 48, 192]])
def test_the_error_has_the_channels_that_the_timm_network_reports(wrong):
    detector = pairs.build(faster_rcnn(TIMM, wrong))
    for wrapped in (detector, nn.DataParallel(detector)):
        with pytest.raises(ValueError, match='neck=dict') as raised:
            check_neck(wrapped, 'student')
        for part in (f'in_channels={wrong}', f'gives {CHANNELS}', f'neck=dict(in_channels={CHANNELS})', 'the student'):
            assert part in str(raised.value)


@pytest.mark.parametrize(
    ('backbone', 'channels', 'wrong'),
    [
        (MOBILENET, [8, 8, 24, 1280], [24, 32, 96, 1280]),
        (MOBILENET, [8, 8, 24, 1280], [8, 8, 24]),
        (dict(MOBILENET, out_indices=(2, 4, 7)), [8, 24, 1280], [8, 8, 24, 1280]),
        (TIMM, CHANNELS, [64, 128, 256, 512]),
    ],
)
def test_mmdets_bare_error_is_explained_with_the_channels_of_any_backbone(backbone, channels, wrong):
    detector = pairs.build(faster_rcnn(backbone, wrong))
    with pytest.raises((AssertionError, RuntimeError)) as bare:
        detector.extract_feat(IMAGES)
    assert str(channels) not in str(bare.value)
    with pytest.raises(ValueError, match='neck=dict') as raised, explain_neck(detector, 'teacher'):
        detector.extract_feat(IMAGES)
    for part in (f'in_channels={wrong}', f'gives {channels}', f'neck=dict(in_channels={channels})', 'the teacher'):
        assert part in str(raised.value)
    assert type(raised.value.__cause__) is type(bare.value)


@pytest.mark.parametrize('whose', ['student', 'teacher'])
def test_a_loss_that_learns_from_maps_meets_the_same_words(tmp_path, whose):
    right, wrong = (faster_rcnn(MOBILENET, channels) for channels in ([8, 8, 24, 1280], [24, 32, 96, 1280]))
    student, of_teacher = (wrong, right) if whose == 'student' else (right, wrong)
    teacher = pairs.save_teacher(tmp_path / 'teacher.pth', of_teacher)
    term = dict(tap='neck', loss=dict(type='luminet_det.FGFILoss'))
    with pytest.raises(ValueError, match=rf'FPN of the {whose} takes .*Write neck=dict\(in_channels=\[8, 8, 24, 1280'):
        pairs.build(pairs.distilling(student, teacher, term))


def test_asking_the_backbone_leaves_no_trace():
    detector = pairs.build(faster_rcnn(MOBILENET, [24, 32, 96, 1280]))
    detector.backbone.layer1.eval()
    modes = [module.training for module in detector.modules()]
    weights, state = copy.deepcopy(detector.state_dict()), torch.get_rng_state()
    with pytest.raises(ValueError, match='neck=dict'), explain_neck(detector):
        raise RuntimeError('as a layer of the neck would')
    assert [module.training for module in detector.modules()] == modes
    assert all(torch.equal(value, weights[name]) for name, value in detector.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_an_error_of_another_kind_stays_what_it_was():
    detector = pairs.build(faster_rcnn(MOBILENET, [8, 8, 24, 1280]))
    with pytest.raises(RuntimeError, match='out of memory'), explain_neck(detector):
        raise torch.OutOfMemoryError('out of memory')
    wrong = pairs.build(faster_rcnn(MOBILENET, [24, 32, 96, 1280]))
    with pytest.raises(FileNotFoundError), explain_neck(wrong):
        raise FileNotFoundError
    wrong.backbone.forward = None
    with pytest.raises(RuntimeError, match='mine'), explain_neck(wrong):
        raise RuntimeError('mine')


def test_a_neck_that_counts_from_the_coarsest_level_is_left_alone():
    detector = pairs.build(faster_rcnn(TIMM, CHANNELS))
    detector.neck = YOLOV3Neck(3, [192, 48, 32], [96, 48, 24])
    check_neck(detector)
    with pytest.raises(RuntimeError, match='mine'), explain_neck(detector):
        raise RuntimeError('mine')


def test_only_the_first_of_several_necks_is_asked():
    model = faster_rcnn(TIMM, [1, 2, 3, 4])
    model['neck'] = [model['neck'], dict(type='BFP', in_channels=16, num_levels=5, refine_level=2)]
    with pytest.raises(ValueError, match=r'FPN of the model takes in_channels=\[1, 2, 3, 4\]'):
        check_neck(pairs.build(model))


def test_levels_of_other_strides_than_the_heads_are_made_for_are_refused():
    """mmdet would train on them, with RoIs pooled from the wrong places."""
    detector = pairs.build(faster_rcnn(dict(TIMM, out_indices=(0, 1, 2, 3)), [32, 32, 48, 192]))
    detector.extract_feat(IMAGES)
    with pytest.raises(ValueError, match='neck=dict') as raised:
        check_neck(detector, 'student')
    for part in (
        'rpn_head.prior_generator of the student is made for strides [4, 8, 16, 32, 64]',
        'gives [2, 4, 8, 16] with out_indices=(0, 1, 2, 3)',
        f'backbone=dict(out_indices=(1, 2, 3, 4)) and neck=dict(in_channels={CHANNELS})',
    ):
        assert part in str(raised.value)


def test_strides_are_compared_from_the_level_that_the_neck_starts_at():
    model = retinanet(dict(TIMM, out_indices=(0, 1, 2, 3, 4)), in_channels=[32, *CHANNELS])
    with pytest.raises(ValueError, match='neck=dict') as raised:
        check_neck(pairs.build(model))
    assert 'bbox_head.prior_generator' in str(raised.value)
    assert f'out_indices=(1, 2, 3, 4)) and neck=dict(in_channels={CHANNELS})' in str(raised.value)


@pytest.mark.parametrize('make', [pairs.mask_rcnn, pairs.cascade_rcnn])
def test_the_extractors_of_every_roi_head_are_compared(make):
    model = make()
    model['backbone'], model['neck']['in_channels'] = TIMM, CHANNELS
    detector = pairs.build(model)
    check_neck(detector)
    name = 'mask_roi_extractor' if make is pairs.mask_rcnn else 'bbox_roi_extractor'
    extractor = getattr(detector.roi_head, name)
    extractor = extractor[0] if isinstance(extractor, nn.ModuleList) else extractor
    extractor.featmap_strides = [8, 16, 32, 64]
    with pytest.raises(ValueError, match=rf'roi_head.{name} of the model is made for strides \[8, 16, 32, 64\]'):
        check_neck(detector)


def test_a_network_of_one_stride_cannot_feed_a_pyramid_of_four():
    with pytest.raises(ValueError, match='Give rpn_head.prior_generator the strides of the backbone'):
        check_neck(pairs.build(faster_rcnn(VIT, [64, 64], FPN_STRIDES)))


def test_a_neck_that_takes_the_image_too_is_not_blamed():
    channels = [32, 64, 128, 256]
    backbone = dict(type='DetectoRS_ResNet', depth=50, base_channels=8)
    again = dict(backbone, rfp_inplanes=16)
    aspp = dict(rfp_steps=2, aspp_out_channels=4, aspp_dilations=(1, 3, 6, 1))
    model = faster_rcnn(dict(backbone, output_img=True), channels)
    model['neck'] |= dict(type='RFP', rfp_backbone=again, **aspp)
    detector = pairs.build(model)
    with pytest.raises(RuntimeError, match='another reason'), explain_neck(detector):
        raise RuntimeError('another reason')


def test_a_lack_of_memory_is_not_explained_by_the_neck():
    detector = pairs.build(retinanet(MOBILENET, in_channels=[1, 2, 3, 4]))
    with pytest.raises(torch.OutOfMemoryError), explain_neck(detector):
        raise torch.OutOfMemoryError('CUDA out of memory')
