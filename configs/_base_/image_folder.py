"""Any folder of images, <data_root>/{train,val}/<class>/*: the only place that names the folder and counts the classes.

224 px, from ImageNet's weights: 30 epochs of SGD, LR 0.01 for 64 images, cosine.
"""

_base_ = './imagenet.py'

data_root = 'data/my_images'
num_classes = 10

train_dataloader = dict(
    num_workers=4,
    dataset=dict(type='luminet_det.ImageFolder', data_root=data_root),
)
val_dataloader = dict(
    num_workers=4,
    dataset=dict(type='luminet_det.ImageFolder', data_root=data_root),
)
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=30)
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = dict(_delete_=True, type='CosineAnnealingLR', by_epoch=True, T_max=30, convert_to_iter_based=True)
default_hooks = dict(logger=dict(interval=20))
auto_scale_lr = dict(base_batch_size=64)
