"""A chain of trainings in which each teaches the next: its plan, what is handed over, and the table at the end."""

from luminet_det.chain.hand_over import check_first, check_pair, options
from luminet_det.chain.record import Record
from luminet_det.chain.run import CHECKPOINTS, Run
from luminet_det.chain.table import format_table

__all__ = [
    'CHECKPOINTS',
    'Record',
    'Run',
    'check_first',
    'check_pair',
    'format_table',
    'options',
]
