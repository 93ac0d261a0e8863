"""Hooks of mmengine's Runner."""

from luminet_det.hooks.deferred_runtime_info import DeferredRuntimeInfoHook
from luminet_det.hooks.divergence import DivergenceHook
from luminet_det.hooks.exact_resume import ExactResumeHook
from luminet_det.hooks.interrupt import InterruptHook
from luminet_det.hooks.missed_validation import MissedValidationHook
from luminet_det.hooks.result import ResultHook
from luminet_det.hooks.teacher_evaluation import TeacherEvaluationHook
from luminet_det.hooks.training_labels import TrainingLabelsHook

__all__ = [
    'DeferredRuntimeInfoHook',
    'DivergenceHook',
    'ExactResumeHook',
    'InterruptHook',
    'MissedValidationHook',
    'ResultHook',
    'TeacherEvaluationHook',
    'TrainingLabelsHook',
]
