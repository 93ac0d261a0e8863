"""ImageNet-1k as in mdistiller: 224 px, 100 epochs of SGD, LR 0.2 for 512 images, divided by 10 three times."""

_base_ = './classification_runtime.py'

model = dict(
    type='luminet_det.Classifier',
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    channels_last=True,
)

# batch_size is that of one process: 64 on each of 8 GPUs are the 512 that the learning rate is for.
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='luminet_det.collate_images'),
    dataset=dict(
        type='luminet_det.ImageNet',
        data_root='data/imagenet',
        split='train',
        transforms=[dict(type='RandomResizedCrop', size=224), dict(type='RandomHorizontalFlip')],
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='luminet_det.collate_images'),
    dataset=dict(
        type='luminet_det.ImageNet',
        data_root='data/imagenet',
        split='val',
        transforms=[dict(type='Resize', size=256), dict(type='CenterCrop', size=224)],
    ),
)
test_dataloader = val_dataloader

train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.2, momentum=0.9, weight_decay=1e-4, foreach=True)
)
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[30, 60, 90], gamma=0.1)
auto_scale_lr = dict(enable=False, base_batch_size=512)
