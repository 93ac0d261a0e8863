"""LumiNet on the RoI logits, the detection row of the paper (Table 4): R18 <- R101, 8 images a step.

The paper gives neither alpha nor tau for detection: tau is 1 here, and loss_weight = alpha**2 = 4, where alpha 2
is that of its ImageNet setting.

    python tools/train.py configs/coco/luminet_r18-faster-rcnn-r101_fpn_1x_coco.py
"""

_base_ = './plain_r18-faster-rcnn_fpn_1x_coco.py'

model = dict(
    type='luminet_det.DistillTwoStageDetector',
    # 41.8 AP, the zoo's nearest to the paper's 42.0 teacher; its weights are fetched on the first step.
    teacher='mmdet::faster_rcnn/faster-rcnn_r101_fpn_ms-3x_coco.py',
    distill=[dict(tap='roi_cls', rois='all', loss=dict(type='luminet_det.LumiNetLoss', tau=1.0, loss_weight=4.0))],
)
