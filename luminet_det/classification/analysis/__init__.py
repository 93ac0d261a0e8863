"""Comparing a trained classifier with its teacher: numbers, pictures, one page."""

from luminet_det.classification.analysis.answers import Answers, collect, evenly
from luminet_det.classification.analysis.calibration import Calibration, calibration
from luminet_det.classification.analysis.correlation import correlation, correlation_difference, mean_difference
from luminet_det.classification.analysis.scores import agreement, scores
from luminet_det.classification.analysis.trained import Trained, check_classes, load_trained

__all__ = [
    'Answers',
    'Calibration',
    'Trained',
    'agreement',
    'calibration',
    'check_classes',
    'collect',
    'correlation',
    'correlation_difference',
    'evenly',
    'load_trained',
    'mean_difference',
    'scores',
]
