"""Published top-1 accuracies on CIFAR-100: the LumiNet paper's tables 1, 5 and 6 and figure 4, and other papers'."""

from typing import NamedTuple

from luminet_det.published.figure import add_columns, read_rows


class Pair(NamedTuple):
    """A student and its teacher, by the names under which the networks are registered."""

    student: str
    teacher: str

    def __str__(self) -> str:
        return f'{self.student} ← {self.teacher}'


SAME_ARCHITECTURE = (
    Pair('resnet20', 'resnet56'),
    Pair('resnet32', 'resnet110'),
    Pair('resnet8x4', 'resnet32x4'),
    Pair('wrn_16_2', 'wrn_40_2'),
    Pair('wrn_40_1', 'wrn_40_2'),
    Pair('vgg8', 'vgg13'),
)
# The papers write MobileNet-V2 for the half-width network, ResNet50 for the one with a 32-pixel stem.
OTHER_ARCHITECTURE = (
    Pair('shufflenetv1', 'resnet32x4'),
    Pair('shufflenetv1', 'wrn_40_2'),
    Pair('mobilenetv2_half', 'vgg13'),
    Pair('mobilenetv2_half', 'resnet50_32px'),
    Pair('shufflenetv2', 'resnet32x4'),
)
PAPER_PAIRS = SAME_ARCHITECTURE + OTHER_ARCHITECTURE
# The first two are RepDistiller's, the others logit standardization's; KD on the first is in both.
BEYOND_THE_PAPER = (
    Pair('resnet20', 'resnet110'),
    Pair('vgg8', 'resnet50_32px'),
    Pair('wrn_16_2', 'resnet32x4'),
    Pair('wrn_40_2', 'resnet32x4'),
    Pair('resnet8x4', 'wrn_40_2'),
    Pair('mobilenetv2_half', 'wrn_40_2'),
)
PAIRS = PAPER_PAIRS + BEYOND_THE_PAPER

SOURCES = {
    'crd': 'READMEs of RepDistiller (CRD, ICLR 2020) and mdistiller',
    'luminet': 'LumiNet paper, table 1',
    'mlld': 'MLLD paper (CVPR 2023)',
    'dist': 'DIST paper (NeurIPS 2022)',
    'lskd': 'README of logit standardization (CVPR 2024), its own runs',
    'lskd quoted': 'README of logit standardization',
    'crd, lskd': 'READMEs of RepDistiller (ResNet-20, VGG-8) and logit standardization (the others)',
}
# Columns: PAPER_PAIRS. FCFD: two cells of the same-architecture half are lost in the paper's text, so it is our reading
# which of the four remaining numbers belongs to which pair. DKD on wrn_16_2: the papers print 76.24, mdistiller 76.23.
_OF_THE_PAPER = read_rows(
    """
    teacher:  crd:     72.34 74.31 79.42 75.61 75.61 74.64  79.42 75.61 74.64 79.34 79.42
    student:  crd:     69.06 71.14 72.50 73.26 71.98 70.36  70.50 70.50 64.60 64.60 71.82
    KD:       crd:     70.66 73.08 73.33 74.92 73.54 72.98  74.07 74.83 67.37 67.35 74.45
    DKD:      crd:     71.97 74.11 76.32 76.24 74.81 74.68  76.45 76.70 69.71 70.35 77.07
    LumiNet:  luminet: 72.29 74.20 77.50 76.38 75.12 74.94  76.66 76.95 70.50 70.97 77.55
    FitNet:   crd:     69.21 71.06 73.50 73.58 72.24 71.02  73.59 73.73 64.14 63.16 73.54
    AT:       crd:     70.55 72.31 73.44 74.08 72.77 71.43  71.73 73.32 59.40 58.58 72.73
    SP:       crd:     69.67R 72.69R 72.94R 73.83R 72.43R 72.68R  73.48R 74.52R 66.30R 68.08R 74.56R
    RKD:      crd:     69.61 71.82 71.90 73.35 72.22 71.48  72.28 72.21 64.52 64.43 73.21
    CRD:      crd:     71.16 73.48 75.51 75.48 74.14 73.94  75.11 76.05 69.73 69.11 75.65
    OFD:      luminet: 70.98 73.23 74.95 75.24 74.33 73.95  75.98 75.85 69.48 69.04 76.82
    ReviewKD: luminet: 71.89 73.89 75.63 76.12 75.09 74.84  77.45 77.14 70.37 69.89 77.78
    FCFD:     luminet: 71.68I - 76.80I ? 75.43I 74.86I      78.12 77.81 70.67 71.07 78.20
    DML:      luminet: 69.52 72.03 72.12 73.58 72.68 71.79  72.89 72.76 65.63 65.71 73.45
    TAKD:     luminet: 70.83 73.37 73.81 75.12 73.78 73.23  74.53 75.34 67.91 68.02 74.82
    MLLD:     mlld:    72.19 74.11 77.08 76.63 75.35 75.18  77.18R 77.44 70.57 71.04 78.44
    DIST:     dist:    71.75±0.30 - 76.31±0.19 - 74.43±0.24 -  76.34±0.18 - - 68.66±0.23 77.35±0.25
    KD + LS:  lskd:    71.43 74.17 76.62 76.11 74.37 74.36  - - 68.61 69.02 75.56
    CTKD:     lskd:    71.19 73.52 73.39 75.45 73.93 73.52  - - - - -
    CTKD + LS: lskd:   71.34 74.01 76.67 76.08 74.58 74.47  - - - - -
    DKD + LS: lskd:    72.32 74.29 77.01 76.39 74.89 74.81  - - 69.98 70.45 77.37
    MLLD + LS: lskd:   72.33 74.32 78.28 76.95 75.56 75.22  - - 70.94 71.19 78.76
    """,
    SOURCES,
)
# Columns: BEYOND_THE_PAPER.
_BEYOND_THE_PAPER = read_rows(
    """
    teacher:   crd:         74.31 79.34 79.42 79.42 75.61 75.61
    student:   crd:         69.06 70.36 73.26 75.61 72.50 64.60
    KD:        crd, lskd:   70.67 73.81 74.90 77.70 73.97 68.36
    DKD:       lskd quoted: 71.06 - - - - -
    FitNet:    crd:         68.99 70.69 - - - -
    AT:        crd:         70.22 71.84 - - - -
    SP:        crd:         70.04 73.34R - - - -
    RKD:       crd:         69.25 71.50 - - - -
    CRD:       crd:         71.46 74.30 - - - -
    MLLD:      lskd quoted: 71.89 - 76.52 79.26 77.33 70.78
    KD + LS:   lskd:        71.48 - 75.26 77.92 77.11 69.23
    CTKD:      lskd:        70.99 - - - - -
    CTKD + LS: lskd:        71.39 - - - - -
    DKD + LS:  lskd:        71.85 - 76.19 78.95 76.75 70.01
    MLLD + LS: lskd:        72.27 - 77.53 79.66 77.68 71.61
    """,
    SOURCES,
)
# Columns: PAIRS.
TOP1 = add_columns(_OF_THE_PAPER, _BEYOND_THE_PAPER, "beyond the LumiNet paper's pairs")

# MLLD's code trains these for longer than 240 epochs; the last value is our choice, as for shufflenetv1.
MLLD_EPOCHS = {
    Pair('mobilenetv2_half', 'vgg13'): 480,
    Pair('mobilenetv2_half', 'resnet50_32px'): 480,
    Pair('shufflenetv1', 'wrn_40_2'): 480,
    Pair('shufflenetv1', 'resnet32x4'): 960,
    Pair('shufflenetv2', 'resnet32x4'): 960,
    Pair('mobilenetv2_half', 'wrn_40_2'): 480,
}

STRONG_AUGMENTATION_PAIRS = (
    Pair('wrn_16_2', 'wrn_40_2'),
    Pair('wrn_40_1', 'wrn_40_2'),
    Pair('vgg8', 'vgg13'),
    Pair('shufflenetv2', 'resnet32x4'),
    Pair('shufflenetv1', 'wrn_40_2'),
)
STRONG_AUGMENTATION = read_rows(
    """
    MLLD:    paper: 76.63 75.35 75.18 78.44 77.44
    LumiNet: paper: 76.91 76.01 75.57 79.12 77.97
    """,
    {'paper': 'LumiNet paper, table 5'},
)

# The ending of a config's name, and what it stands for.
STRONG_AUGMENTATION_VARIANTS = {
    'autoaugment': 'AutoAugment, one view',
    'two_views': 'RandAugment and Cutout, two views',
}

VIT_PAIR = Pair('deit_compact_32px', 'deit_small_32px')
VIT = read_rows(
    """
    teacher: paper: 76.30
    student: paper: 65.46
    KD:      paper: 67.38
    LumiNet: paper: 68.42
    """,
    {'paper': 'LumiNet paper, table 6; all but its own row from Attention Probe (ICASSP 2022)'},
)

TRANSFER_PAIR = Pair('wrn_16_2', 'wrn_40_2')
TRANSFER_COLUMNS = ('STL-10', 'Tiny-ImageNet')
# LumiNet's numbers exist only as a figure (4a) without values.
TRANSFER = read_rows(
    """
    teacher:  papers: 68.6R 31.5R
    student:  papers: 69.7R 33.7R
    KD:       papers: 70.9R 33.9R
    DKD:      papers: 72.9R 37.1R
    LumiNet:  figure: ? ?
    FitNet:   papers: 70.3R 33.5R
    AT:       papers: 70.7R 34.2R
    CRD:      papers: 71.6R 35.6R
    ReviewKD: papers: 72.4R 36.6R
    """,
    {'papers': 'papers of CRD, ReviewKD and DKD', 'figure': 'LumiNet paper, figure 4a: bars without values'},
)

# The paper does not name the pair of figure 4, b and c; the settings of this pair are published.
SWEPT_PAIR = Pair('resnet8x4', 'resnet32x4')
BATCH_SIZES = (32, 64, 128, 256)
BATCH_SIZE = read_rows(
    """
    student: figure: ? ? ? ?
    KD:      figure: ? ? ? ?
    LumiNet: figure: ? ? ? ?
    """,
    {'figure': 'LumiNet paper, figure 4b: a plot'},
)
TAUS = (1, 2, 3, 4, 5, 6, 7, 8)
TAU = read_rows('LumiNet: figure: ? ? ? ? ? ? ? ?', {'figure': 'LumiNet paper, figure 4c: a plot'})

# Figure 4d.
ENSEMBLE_PAIR = Pair('wrn_16_2', 'wrn_40_2')
ENSEMBLE_TEACHER = 'resnet8x4'  # the second teacher, with which the config's name ends
ENSEMBLE = read_rows(
    """
    one teacher:  paper: 76.38
    two teachers: paper: 76.52
    """,
    {'paper': 'LumiNet paper, section 4.3 on figure 4d'},
)
