"""LumiNet, VGG-8 <- VGG-13, with a plain and a strong view. Published top-1: 75.57."""

_base_ = '../luminet_vgg8-vgg13.py'

train_dataloader = dict(
    dataset=dict(
        transforms=[
            [dict(type='RandomCrop', size=32, padding=4), dict(type='RandomHorizontalFlip')],
            [
                dict(type='RandomCrop', size=32, padding=4),
                dict(type='RandomHorizontalFlip'),
                dict(type='RandAugment', num_ops=2, magnitude=15),
                dict(type='Cutout', size=(0, 16), fill=(125, 123, 114)),
            ],
        ]
    )
)
