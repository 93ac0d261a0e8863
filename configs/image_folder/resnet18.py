"""ResNet-18 from torchvision's ImageNet weights on your own image folder: the student alone."""

_base_ = '../_base_/image_folder.py'

work_dir = 'work_dirs/image_folder/resnet18'
model = dict(
    network=dict(type='luminet_det.TorchvisionNetwork', name='resnet18', num_classes=_base_.num_classes),
    init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18.imagenet1k_v1'),
)
