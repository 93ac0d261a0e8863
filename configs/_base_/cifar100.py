"""CIFAR-100 as in mdistiller and RepDistiller: crop, flip, 240 epochs of SGD, LR 0.05, divided by 10 three times."""

_base_ = './classification_runtime.py'

model = dict(
    type='luminet_det.Classifier',
    data_preprocessor=dict(mean=[129.3105, 124.1085, 112.404], std=[68.2125, 65.4075, 70.4055]),
    channels_last=True,
)

# device_resident=False gives the ordinary loader: set num_workers=4 and persistent_workers=True with it.
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='luminet_det.collate_images'),
    dataset=dict(
        type='luminet_det.CIFAR100',
        data_root='data/cifar100',
        split='train',
        transforms=[dict(type='RandomCrop', size=32, padding=4), dict(type='RandomHorizontalFlip')],
        device_resident=True,
    ),
)
val_dataloader = dict(
    batch_size=500,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='luminet_det.collate_images'),
    dataset=dict(type='luminet_det.CIFAR100', data_root='data/cifar100', split='test', device_resident=True),
)
test_dataloader = val_dataloader

train_cfg = dict(by_epoch=True, max_epochs=240, val_interval=1)

optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=5e-4, foreach=True)
)
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[150, 180, 210], gamma=0.1)
auto_scale_lr = dict(enable=False, base_batch_size=64)

default_hooks = dict(checkpoint=dict(interval=10))
