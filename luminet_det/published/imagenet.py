"""Published top-1 and top-5 accuracies on ImageNet, by the networks that were trained and not by their labels.

DKD, ReviewKD, MLLD, logit standardization and LumiNet write "ResNet50 → MobileNetV2" for a MobileNet-V1 student.
"""

from luminet_det.published.cifar100 import Pair
from luminet_det.published.figure import Row, read_rows

COLUMNS = ('top-1', 'top-5')
SOURCES = {
    'luminet': 'LumiNet paper, table 2',
    'readme': 'README of LumiNet',
    'mdistiller': 'README of mdistiller, its own runs',
    'torchdistill': 'logs of torchdistill',
    'lskd': 'logs of logit standardization (CVPR 2024)',
    'mmrazor': 'README of mmrazor',
    'mgd': 'README of MGD (ECCV 2022), teacher of mmcls',
    'mlld': 'MLLD paper (CVPR 2023)',
    'dkd': 'DKD paper (CVPR 2022)',
    'reviewkd': 'README of ReviewKD (CVPR 2021); top-5 from the DKD paper',
    'author': 'DIST (NeurIPS 2022), as its author reports it',
    'dist': 'DIST paper (NeurIPS 2022), a stronger recipe: its plain student has 70.13',
    'torchvision': "torchvision's weights, as the papers quote them",
}

RESNET18 = read_rows(
    """
    teacher:                luminet:      73.31 91.42
    student:                luminet:      69.75 89.07
    KD:                     luminet:      70.66 89.88
    DKD:                    luminet:      71.70 90.41
    LumiNet:                luminet:      71.78 90.71
    AT:                     luminet:      70.69 90.01
    OFD:                    luminet:      70.81 89.98
    CRD:                    luminet:      71.17 90.13
    ReviewKD:               luminet:      71.61 90.51
    DML:                    luminet:      70.82 90.02
    TAKD:                   luminet:      70.78 90.16
    MLLD:                   mlld:         71.90R 90.55R
    MGD:                    mgd:          71.69 -
    LumiNet, README:        readme:       72.16 -
    KD, mdistiller:         mdistiller:   71.03 -
    KD + DOT, mdistiller:   mdistiller:   71.72 -
    KD, torchdistill:       torchdistill: 71.37 -
    AT, torchdistill:       torchdistill: 70.90 -
    CRD, torchdistill:      torchdistill: 70.93 -
    ReviewKD, torchdistill: torchdistill: 71.64 -
    DIST, torchdistill:     torchdistill: 71.95 -
    DIST, author:           author:       72.07 -
    KD + LS, LSKD:          lskd:         71.45 -
    DKD, mmrazor:           mmrazor:      71.37 -
    DIST, mmrazor:          mmrazor:      71.61 -
    """,
    SOURCES,
)

MOBILENETV1 = read_rows(
    """
    teacher:                torchvision:  76.16 92.86
    student:                reviewkd:     68.87 88.76R
    KD:                     dkd:          68.58R 88.98R
    DKD:                    dkd:          72.05 91.05R
    LumiNet:                readme:       72.55 -
    AT:                     dkd:          69.56R 89.33R
    OFD:                    dkd:          71.25R 90.34R
    CRD:                    dkd:          71.37R 90.41R
    ReviewKD:               reviewkd:     72.56 91.00R
    DML:                    dkd:          71.35R 90.31R
    TAKD:                   dkd:          70.82R 90.01R
    MLLD:                   mlld:         73.01R 91.42R
    MGD:                    mgd:          72.49 -
    KD, mdistiller:         mdistiller:   70.50 -
    KD + DOT, mdistiller:   mdistiller:   73.09 -
    DIST:                   dist:         73.24 -
    """,
    SOURCES,
)

# A genuine MobileNet-V2 student: nothing comparable is published.
MOBILENETV2: tuple[Row, ...] = read_rows(
    '\n'.join(f'{method}: none: - -' for method in ('teacher', 'student', 'KD', 'DKD', 'LumiNet')),
    {'none': 'nothing comparable is published'},
)

PAIRS: dict[Pair, tuple[Row, ...]] = {
    Pair('resnet18', 'resnet34'): RESNET18,
    Pair('mobilenetv1', 'resnet50'): MOBILENETV1,
    Pair('mobilenetv2', 'resnet50'): MOBILENETV2,
}
