"""The doctor: what stands between a config and its training, found before it starts."""

from luminet_det.doctor.examination import examine
from luminet_det.doctor.findings import FAIL, OK, SKIP, WARN, Finding, Report

__all__ = ['FAIL', 'OK', 'SKIP', 'WARN', 'Finding', 'Report', 'examine']
