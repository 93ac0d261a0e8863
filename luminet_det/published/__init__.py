"""Published classification results as data, and the tables that compare measured ones with them."""

from luminet_det.published.figure import Figure, Row
from luminet_det.published.page import make_page
from luminet_det.published.probe import Probe, load_probes
from luminet_det.published.run import Run, load_runs

__all__ = ['Figure', 'Probe', 'Row', 'Run', 'load_probes', 'load_runs', 'make_page']
