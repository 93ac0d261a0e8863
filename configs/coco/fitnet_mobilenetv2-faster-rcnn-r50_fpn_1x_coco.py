"""FitNet on all levels of the neck, a 1x1 convolution each: Faster R-CNN, MobileNetV2 <- R50.

The weights are ours: for detectors none are published.

    python tools/train.py configs/coco/fitnet_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py
"""

_base_ = './kd_mobilenetv2-faster-rcnn-r50_fpn_1x_coco.py'

model = dict(distill=[dict(tap='neck', loss=dict(type='luminet_det.FitNetLoss', regressor='conv', loss_weight=1.0))])
