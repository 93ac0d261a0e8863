"""The teacher of the short protocol: ResNet-56 on all 50,000 images for 10 epochs, cosine from LR 0.1, batch 128.

python tools/train.py configs/cifar100_short/resnet56.py --amp
"""

_base_ = '../cifar100/resnet56.py'

model = dict(compile=True)
train_dataloader = dict(batch_size=128)
train_cfg = dict(max_epochs=10, val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=128)
param_scheduler = dict(_delete_=True, type='CosineAnnealingLR', by_epoch=False, T_max=3910)
default_hooks = dict(checkpoint=dict(interval=1))
