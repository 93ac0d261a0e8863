"""Pictures of networks' answers, each one a matplotlib Figure."""

from luminet_det.classification.analysis.pictures.class_scores import draw_class_scores
from luminet_det.classification.analysis.pictures.correlations import draw_correlations
from luminet_det.classification.analysis.pictures.embeddings import draw_embeddings
from luminet_det.classification.analysis.pictures.intra_class import draw_intra_class
from luminet_det.classification.analysis.pictures.perceptions import draw_perceptions
from luminet_det.classification.analysis.pictures.reliability import draw_reliability

__all__ = [
    'draw_class_scores',
    'draw_correlations',
    'draw_embeddings',
    'draw_intra_class',
    'draw_perceptions',
    'draw_reliability',
]
