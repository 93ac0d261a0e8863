"""LumiNet, VGG-8 <- VGG-13, with AutoAugment, one view. Published top-1: 75.57."""

_base_ = '../luminet_vgg8-vgg13.py'

train_dataloader = dict(
    dataset=dict(
        transforms=[
            dict(type='RandomCrop', size=32, padding=4),
            dict(type='RandomHorizontalFlip'),
            dict(type='AutoAugment', policy='cifar10'),
        ]
    )
)
