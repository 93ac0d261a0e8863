"""CWD on all levels of the neck, with the published temperature and weight: Faster R-CNN, MobileNetV2 <- R50.

python tools/train.py configs/coco/cwd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.CWDLoss', tau=1.0, loss_weight=10.0))])
