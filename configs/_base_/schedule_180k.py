"""180,000 steps of 8 images (12 epochs of COCO), LR 0.01, divided by 10 at 120,000 and 160,000."""

_base_ = 'mmdet::_base_/default_runtime.py'

train_cfg = dict(type='IterBasedTrainLoop', max_iters=180000, val_interval=30000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0001))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(type='MultiStepLR', begin=0, end=180000, by_epoch=False, milestones=[120000, 160000], gamma=0.1),
]
# `tools/train.py --auto-scale-lr` scales the LR to another number of images a step.
auto_scale_lr = dict(enable=False, base_batch_size=8)

default_hooks = dict(
    # By epoch, every evaluation would be logged at step 0.
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=10000, max_keep_ckpts=2, save_best='coco/bbox_mAP'),
)
log_processor = dict(by_epoch=False)
