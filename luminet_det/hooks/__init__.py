"""Hooks of mmengine's Runner."""

from luminet_det.hooks.exact_resume import ExactResumeHook
from luminet_det.hooks.interrupt import InterruptHook
from luminet_det.hooks.teacher_evaluation import TeacherEvaluationHook

__all__ = ['ExactResumeHook', 'InterruptHook', 'TeacherEvaluationHook']
