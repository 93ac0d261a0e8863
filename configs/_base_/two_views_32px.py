"""A plain view of each 32-pixel image and a strong one, as in configs/cifar100/strong_augmentation."""

views = [
    [dict(type='RandomCrop', size=32, padding=4), dict(type='RandomHorizontalFlip')],
    [
        dict(type='RandomCrop', size=32, padding=4),
        dict(type='RandomHorizontalFlip'),
        dict(type='RandAugment', num_ops=2, magnitude=15),
        dict(type='Cutout', size=(0, 16), fill=(125, 123, 114)),
    ],
]
