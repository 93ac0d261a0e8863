"""LumiNet, ResNet-20 <- ResNet-56 of this folder; weights and temperature as in configs/cifar100."""

_base_ = './resnet20.py'

model = dict(
    type='luminet_det.DistillClassifier',
    ce_weight=2.0,
    teacher=dict(
        config='configs/cifar100_short/resnet56.py', checkpoint='work_dirs/cifar100_short/resnet56/epoch_10.pth'
    ),
    distill=[
        dict(tap='logits', loss=dict(type='luminet_det.LumiNetLoss', tau=4.0, loss_weight=35.0**2), warmup='2 epochs')
    ],
)
