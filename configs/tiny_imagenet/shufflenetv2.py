"""ShuffleNetV2 alone, a student. Nothing is published for it alone."""

_base_ = '../_base_/tiny_imagenet.py'

work_dir = 'work_dirs/tiny_imagenet/shufflenetv2'
model = dict(network=dict(type='luminet_det.shufflenetv2', num_classes=200))
