"""The quickstart's distilled student, with the losses of the study."""

_base_ = '../../configs/quickstart/luminet_student.py'

custom_imports = dict(imports=['benchmarks.roi_study.perception'])
# Everything that the study reads in the log is averaged over the steps between two lines.
log_processor = dict(mean_pattern=r'.*(loss|time|data_time|grad_norm|raw_|share_|agreement).*')
