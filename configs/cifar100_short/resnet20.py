"""ResNet-20 alone on a fifth of the images for a tenth of the epochs, the schedule in proportion."""

_base_ = '../cifar100/resnet20.py'

train_dataloader = dict(dataset=dict(fraction=0.2))
train_cfg = dict(max_epochs=24, val_interval=2)
param_scheduler = dict(milestones=[15, 18, 21])
