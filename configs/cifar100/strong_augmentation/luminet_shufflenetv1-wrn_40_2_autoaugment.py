"""LumiNet, ShuffleNetV1 <- WRN-40-2, with AutoAugment, one view. Published top-1: 77.97."""

_base_ = '../luminet_shufflenetv1-wrn_40_2.py'

train_dataloader = dict(
    dataset=dict(
        transforms=[
            dict(type='RandomCrop', size=32, padding=4),
            dict(type='RandomHorizontalFlip'),
            dict(type='AutoAugment', policy='cifar10'),
        ]
    )
)
