"""A plain view of each ImageNet image and a strong one: RandAugment and Cutout, as for 32 pixels."""

views = [
    [dict(type='RandomResizedCrop', size=224), dict(type='RandomHorizontalFlip')],
    [
        dict(type='RandomResizedCrop', size=224),
        dict(type='RandomHorizontalFlip'),
        dict(type='RandAugment', num_ops=2, magnitude=15),
        dict(type='Cutout', size=(0, 112), fill=(125, 123, 114)),
    ],
]
