"""ResNet-50 from torchvision's ImageNet weights on your own image folder: the teacher."""

_base_ = '../_base_/image_folder.py'

work_dir = 'work_dirs/image_folder/teacher_resnet50'
model = dict(
    network=dict(type='luminet_det.TorchvisionNetwork', name='resnet50', num_classes=_base_.num_classes),
    init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50.imagenet1k_v1'),
)
