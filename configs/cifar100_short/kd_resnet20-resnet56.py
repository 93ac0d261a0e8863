"""KD, ResNet-20 <- ResNet-56 of this folder; weights and temperature as in configs/cifar100."""

_base_ = './resnet20.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=0.1,
    teacher=dict(
        config='configs/cifar100_short/resnet56.py', checkpoint='work_dirs/cifar100_short/resnet56/epoch_10.pth'
    ),
    distill=[dict(tap='logits', loss=dict(type='luminet_det.KDLoss', tau=4.0, loss_weight=0.9))],
)
