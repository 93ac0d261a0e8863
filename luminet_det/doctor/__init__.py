"""The doctor: finds what would keep a config from training, before training starts."""

from luminet_det.doctor.examination import examine
from luminet_det.doctor.findings import FAIL, OK, SKIP, WARN, Finding, Report

__all__ = ['FAIL', 'OK', 'SKIP', 'WARN', 'Finding', 'Report', 'examine']
