"""The detectors that are timed: the quickstart's Faster R-CNN, three others of its widths, and a stock one."""

from copy import deepcopy
from pathlib import Path

from mmengine import hub
from mmengine.config import Config

CONFIGS = Path(__file__).parents[2] / 'configs' / 'quickstart'


def faster(name: str) -> dict:
    """Model config of the quickstart's `'student'` or `'teacher'`."""
    return Config.fromfile(CONFIGS / f'{name}.py').model.to_dict()


def mask(name: str) -> dict:
    """With a mask branch."""
    model = faster(name)
    extractor = dict(
        deepcopy(model['roi_head']['bbox_roi_extractor']),
        roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=2),
    )
    width = model['neck']['out_channels']
    model['type'] = 'MaskRCNN'
    model['data_preprocessor'] |= dict(pad_mask=True)
    model['roi_head'] |= dict(
        mask_roi_extractor=extractor,
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=4,
            in_channels=width,
            conv_out_channels=width,
            num_classes=10,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True, loss_weight=1.0),
        ),
    )
    model['train_cfg']['rcnn']['mask_size'] = 28
    model['test_cfg']['rcnn']['mask_thr_binary'] = 0.5
    return model


def cascade(name: str) -> dict:
    """With three class-agnostic stages."""
    model = faster(name)
    roi_head, rcnn = model['roi_head'], model['train_cfg']['rcnn']
    heads, stages = [], []
    for divisor, iou in ((1, 0.5), (2, 0.6), (3, 0.7)):
        head, stage = deepcopy(roi_head['bbox_head']), deepcopy(rcnn)
        head['reg_class_agnostic'] = True
        head['bbox_coder']['target_stds'] = [std / divisor for std in (0.1, 0.1, 0.2, 0.2)]
        stage['assigner'] |= dict(pos_iou_thr=iou, neg_iou_thr=iou, min_pos_iou=iou)
        heads.append(head)
        stages.append(stage)
    model['type'] = 'CascadeRCNN'
    roi_head |= dict(type='CascadeRoIHead', num_stages=3, stage_loss_weights=[1, 0.5, 0.25], bbox_head=heads)
    model['train_cfg']['rcnn'] = stages
    return model


def retinanet(name: str) -> dict:
    """A RetinaNet on the same backbone: strides 8 to 64, nine anchors per position, mmdet's four convolutions."""
    model = faster(name)
    for key in ('rpn_head', 'roi_head'):
        del model[key]
    width = model['neck']['out_channels']
    model['type'] = 'RetinaNet'
    model['neck'] |= dict(start_level=1, add_extra_convs='on_input', num_outs=4)
    model['bbox_head'] = dict(
        type='RetinaHead',
        num_classes=10,
        in_channels=width,
        stacked_convs=4,
        feat_channels=width,
        anchor_generator=dict(
            type='AnchorGenerator',
            octave_base_scale=4,
            scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0],
            strides=[8, 16, 32, 64],
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[1.0] * 4),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
    )
    model['train_cfg'] = dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0, ignore_iof_thr=-1),
        sampler=dict(type='PseudoSampler'),
        allowed_border=-1,
        pos_weight=-1,
        debug=False,
    )
    model['test_cfg'] = dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100
    )
    return model


def stock_retinanet(name: str) -> dict:
    """mmdet's own RetinaNet, ResNet-18 <- ResNet-50 with 80 classes, all layers trained and nothing downloaded."""
    depth = dict(student=18, teacher=50)[name]
    model = hub.get_config(f'mmdet::retinanet/retinanet_r{depth}_fpn_1x_coco.py').model.to_dict()
    model['backbone'] |= dict(init_cfg=None, norm_eval=False, frozen_stages=-1)
    return model


DETECTORS = dict(faster=faster, mask=mask, cascade=cascade, retinanet=retinanet, stock_retinanet=stock_retinanet)
# Images, their height and width in pixels, and the most repetitions, where a step takes a second.
OWN_SETTING = dict(stock_retinanet=(2, 256, 12))


def single_stage(model: dict) -> bool:
    return 'roi_head' not in model


def num_classes(model: dict) -> int:
    head = model['bbox_head'] if single_stage(model) else model['roi_head']['bbox_head']
    return (head[0] if isinstance(head, list) else head)['num_classes']


def distilling(student: dict, teacher: dict | list) -> dict:
    """The student's config with a teacher and LumiNet on its head."""
    dense = single_stage(student)
    kind = 'DistillSingleStageDetector' if dense else 'DistillTwoStageDetector'
    loss = dict(type='luminet_det.LumiNetLoss', use_sigmoid=dense)
    return dict(
        deepcopy(student),
        type=f'luminet_det.{kind}',
        teacher=teacher,
        distill=[dict(tap='dense_cls' if dense else 'roi_cls', loss=loss)],
    )
