"""MobileNetV2 of half width alone, a student. Not mdistiller's MobileNetV2 for this dataset, which has full width."""

_base_ = '../_base_/tiny_imagenet.py'

work_dir = 'work_dirs/tiny_imagenet/mobilenetv2_half'
model = dict(network=dict(type='luminet_det.mobilenetv2_half', num_classes=200))
