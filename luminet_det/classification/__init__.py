"""Image classifiers that learn from a teacher."""

from luminet_det.classification import data, models
from luminet_det.classification.accuracy import Accuracy
from luminet_det.classification.classifier import Classifier
from luminet_det.classification.distill_classifier import DistillClassifier

__all__ = ['Accuracy', 'Classifier', 'DistillClassifier', 'data', 'models']
