"""KD on the RoI logits: Faster R-CNN, SE-ResNet-50 of timm <- R101, an assistant; settings as in the other rows of KD.

python tools/train.py configs/coco/takd/kd_seresnet50-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = '../plain_r50-faster-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    backbone=dict(
        _delete_=True,
        type='luminet_det.TimmBackbone',
        model_name='seresnet50.ra2_in1k',
        out_indices=(1, 2, 3, 4),
        pretrained=True,
        frozen_stages=1,
        norm_eval=True,
    ),
    # 41.8 box AP in mmdet's zoo; its weights are fetched on the first step.
    teacher='mmdet::faster_rcnn/faster-rcnn_r101_fpn_ms-3x_coco.py',
    distill=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.KDLoss', tau=1.0, loss_weight=1.0))],
)
