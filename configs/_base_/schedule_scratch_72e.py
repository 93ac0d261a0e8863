"""72 epochs from scratch: SGD, LR 0.02 for 16 images a step, a warm-up of 500 steps, a cosine to zero."""

_base_ = 'mmdet::_base_/default_runtime.py'

# By epoch: a run that is stopped resumes within its epoch, and loads only that epoch's images again.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=72, val_interval=6)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.0001),
    paramwise_cfg=dict(norm_decay_mult=0.0),
    clip_grad=dict(max_norm=35.0),  # as for CWD, FGD and MGD in mmdet, so no method's first steps can end a run
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', by_epoch=True, T_max=72, eta_min=0.0, convert_to_iter_based=True),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)

default_hooks = dict(checkpoint=dict(interval=3, max_keep_ckpts=1))
custom_hooks = [dict(type='luminet_det.ResultHook', metric='coco/bbox_mAP')]
env_cfg = dict(cudnn_benchmark=True)
randomness = dict(seed=0)
