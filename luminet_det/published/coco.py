"""Published AP on COCO of distilled Faster R-CNNs with FPN: the LumiNet paper's table 4 and the tables it took over."""

from luminet_det.published.cifar100 import Pair
from luminet_det.published.figure import read_rows

PAIRS = (Pair('R18', 'R101'), Pair('R50', 'R101'), Pair('MobileNetV2', 'R50'))
SOURCES = {
    'luminet': 'LumiNet paper, table 4, whose header says ResNet110 for ResNet-101; others: papers of ReviewKD and DKD',
    'dkd': 'DKD paper (CVPR 2022)',
}
# Columns: PAIRS.
AP = read_rows(
    """
    teacher:        luminet: 42.04 42.04R 40.22R
    student:        luminet: 33.26 37.93R 29.47R
    KD:             luminet: 33.97 38.35R 30.13R
    TAKD:           luminet: 34.59 - -
    DKD:            luminet: 35.05 39.25R 32.34R
    LumiNet:        luminet: 35.34 - -
    FitNet:         luminet: 34.13 38.76R 30.20R
    FGFI:           luminet: 35.44 39.44R 31.16R
    ReviewKD:       luminet: 36.75 40.36R 33.71R
    ReviewKD + DKD: dkd:     37.01R 40.65R 34.35R
    """,
    SOURCES,
)
