"""Tiny-ImageNet as in mdistiller's distillation: 64 px, rotation and flip, 200 epochs of SGD, LR 0.2 for 256 images."""

_base_ = './classification_runtime.py'

model = dict(
    type='luminet_det.Classifier',
    data_preprocessor=dict(mean=[122.451, 114.2655, 101.3625], std=[58.701, 57.7575, 57.681]),
    channels_last=True,
)

# Rotations are not supported for device-resident images; the loader processes apply them.
train_dataloader = dict(
    batch_size=256,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='luminet_det.collate_images'),
    dataset=dict(
        type='luminet_det.TinyImageNet',
        data_root='data/tiny-imagenet-200',
        split='train',
        transforms=[dict(type='RandomRotation', degrees=20), dict(type='RandomHorizontalFlip')],
    ),
)
val_dataloader = dict(
    batch_size=500,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='luminet_det.collate_images'),
    dataset=dict(
        type='luminet_det.TinyImageNet', data_root='data/tiny-imagenet-200', split='val', device_resident=True
    ),
)
test_dataloader = val_dataloader

train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=1)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=5e-4, foreach=True)
)
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[60, 120, 160], gamma=0.1)
auto_scale_lr = dict(enable=False, base_batch_size=256)
