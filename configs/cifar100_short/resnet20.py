"""ResNet-20 alone: a fifth of the images for a sixteenth of the epochs, the schedule in proportion."""

_base_ = '../cifar100/resnet20.py'

train_dataloader = dict(dataset=dict(fraction=0.2))
train_cfg = dict(max_epochs=15, val_interval=5)
param_scheduler = dict(milestones=[9, 11, 13])
