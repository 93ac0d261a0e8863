"""The published settings of the methods for classifiers, by pair; the READMEs say which of them are ours."""

from pathlib import Path

from luminet_det.published.name import read_name
from tests.classification_configs import of_folder

LIGHT = ('mobilenetv2_half', 'shufflenetv1', 'shufflenetv2')
FIVE_STAGES = ('vgg8', 'mobilenetv2_half', 'resnet18', 'mobilenetv1')
BETA = {
    ('resnet20', 'resnet56'): 2,
    ('resnet32', 'resnet110'): 2,
    ('resnet8x4', 'resnet32x4'): 8,
    ('wrn_16_2', 'wrn_40_2'): 6,
    ('wrn_40_1', 'wrn_40_2'): 6,
    ('vgg8', 'vgg13'): 2,
    ('mobilenetv2_half', 'vgg13'): 6,
    ('mobilenetv2_half', 'resnet50_32px'): 8,
    ('shufflenetv2', 'resnet32x4'): 8,
    # Unpublished: 2 for resnet20, and for the others by the teacher, as above.
    ('resnet20', 'resnet110'): 2,
    ('wrn_16_2', 'resnet32x4'): 8,
    ('wrn_40_2', 'resnet32x4'): 8,
    ('resnet8x4', 'wrn_40_2'): 6,
    ('mobilenetv2_half', 'wrn_40_2'): 6,
}
# tau and loss_weight, unless they are 2 and 9.
KD_LS = {
    ('vgg8', 'vgg13'): (3, 9),
    ('mobilenetv2_half', 'vgg13'): (3, 9),
    ('mobilenetv2_half', 'resnet50_32px'): (3, 1),
    ('resnet20', 'resnet110'): (4, 12),
}
# loss_weight, unless it is 5; for MobileNetV2 <- VGG-13 it is unpublished.
REVIEWKD = {
    ('resnet20', 'resnet56'): 0.6,
    ('resnet32', 'resnet110'): 1,
    ('mobilenetv2_half', 'vgg13'): 8,
    ('mobilenetv2_half', 'resnet50_32px'): 30,
    ('shufflenetv2', 'resnet32x4'): 8,
    ('resnet18', 'resnet34'): 1,
    ('mobilenetv1', 'resnet50'): 8,
}
# tau, weight of the mixed paths and weight of the maps, unless they are 4, 1 and 5.
FCFD = {
    ('resnet20', 'resnet56'): (4, 1, 0.02),
    ('wrn_16_2', 'wrn_40_2'): (4, 0.2, 5),
    ('shufflenetv1', 'resnet32x4'): (8, 1, 5),
    ('shufflenetv2', 'resnet32x4'): (8, 1, 5),
    ('mobilenetv2_half', 'resnet50_32px'): (8, 1, 5),
    ('resnet18', 'resnet34'): (1, 1, 0.02),
    ('mobilenetv1', 'resnet50'): (1, 1, 5),
}
# Images per step over all processes, learning rate, whether with Nesterov's momentum.
IMAGENET = {
    'at': (512, 0.2, False),
    'dml': (512, 0.2, False),
    'kd_ls': (512, 0.2, False),
    'mlld': (512, 0.2, False),
    'crd': (256, 0.1, False),
    'reviewkd': (256, 0.1, False),
    'mgd': (256, 0.1, False),
    'dist': (256, 0.1, True),
    'fcfd': (256, 0.1, True),
    'ofd': (128, 0.05, False),
}


def terms(path: Path) -> list[tuple[str, dict, dict]]:
    """The terms that a config must have: loss, its settings other than defaults, options of the term."""
    method, *pair, _ = read_name(path.stem)
    large, pair = of_folder(path) == 'imagenet', tuple(pair)
    logits, embedding = dict(tap='logits'), dict(tap='embedding')
    features = dict(tap='features', stages=[1, 2, 3, 4] if pair[0] in FIVE_STAGES else [1, 2, 3])
    # The published code warms up for 20 epochs, and on ImageNet for one, which amounts to no warm-up.
    ramp = {} if large else dict(warmup='20 epochs')
    samples = dict(num_samples=1281167) if large else {}
    tau, mixed, maps = FCFD.get(pair, (4, 1, 5))
    ls_tau, ls_weight = KD_LS.get(pair, (2, 9))
    dkd_ls = dict(target_weight=1, non_target_weight=BETA.get(pair), loss_weight=15 if pair[0] == 'vgg8' else 9)
    review = dict(relu='before' if large else 'after-before', pooled=True)
    fcfd = dict(tau=tau, mixed_weight=mixed, feature_weight=maps)
    return {
        'fitnet': [('FitNet', dict(loss_weight=100), features | dict(stages=[2]))],
        'at': [('AT', dict(loss_weight=1000), features)],
        'sp': [('SP', dict(loss_weight=3000), features | dict(stages=[-1]))],
        'rkd': [('RKD', dict(distance_weight=25, angle_weight=50), embedding)],
        'crd': [('CRD', dict(loss_weight=0.8) | samples, embedding)],
        'ofd': [('OFD', dict(loss_weight=1e-4 if large else 1e-3), features | dict(relu='before'))],
        'reviewkd': [('ReviewKD', dict(loss_weight=REVIEWKD.get(pair, 5)), features | ramp | review)],
        'fcfd': [('KD', dict(tau=tau), logits), ('FCFD', fcfd, dict(tap='features'))],
        'mgd': [('MGD', dict(mask='channels', masked=0.15, loss_weight=7e-5), features | dict(stages=[-1]))],
        'dml': [('KD', dict(tau=1), logits)],
        'mlld': [('MLLD', dict(tau=1, loss_weight=0.5) if large else dict(tau=4, loss_weight=0.9), logits)],
        'mlld_ls': [('MLLD', dict(tau=2, loss_weight=9, standardize=True), logits)],
        'dist': [('DIST', dict(tau=1 if large else 4, loss_weight=2), logits)],
        'kd_ls': [('LSKD', dict(tau=ls_tau, loss_weight=ls_weight), logits)],
        'dkd_ls': [('DKD', dict(tau=2, standardize=True) | dkd_ls, logits | ramp)],
        'mcld': [
            ('MCLD', dict(category_weight=0), logits),
            ('MCLD', dict(instance_weight=0, sample_weight=0), logits | ramp),
        ],
    }[method]
