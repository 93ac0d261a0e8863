"""LumiNet, WRN-16-2 <- WRN-40-2, with a plain and a strong view. Published top-1: 76.91."""

_base_ = '../luminet_wrn_16_2-wrn_40_2.py'

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
