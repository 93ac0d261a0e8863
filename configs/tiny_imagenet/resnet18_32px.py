"""ResNet-18 for 32 px alone, on images of 64 px: the teacher. No accuracy of it is published."""

_base_ = '../_base_/tiny_imagenet.py'

work_dir = 'work_dirs/tiny_imagenet/resnet18_32px'
model = dict(network=dict(type='luminet_det.resnet18_32px', num_classes=200))
