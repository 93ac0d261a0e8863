"""LumiNet, ShuffleNetV2 <- ResNet-32x4, with AutoAugment, one view. Published top-1: 79.12."""

_base_ = '../luminet_shufflenetv2-resnet32x4.py'

train_dataloader = dict(
    dataset=dict(
        transforms=[
            dict(type='RandomCrop', size=32, padding=4),
            dict(type='RandomHorizontalFlip'),
            dict(type='AutoAugment', policy='cifar10'),
        ]
    )
)
