"""A grid over config options: its points, their runs, and the table and plot of what came out."""

from luminet_det.sweep.arithmetic import Formula
from luminet_det.sweep.grid import Grid, parse_grid, parse_links
from luminet_det.sweep.jobs import Job, work_off
from luminet_det.sweep.keys import check_keys
from luminet_det.sweep.outcome import Outcome, outcomes
from luminet_det.sweep.plot import draw
from luminet_det.sweep.point import Point
from luminet_det.sweep.table import format_table

__all__ = [
    'Formula',
    'Grid',
    'Job',
    'Outcome',
    'Point',
    'check_keys',
    'draw',
    'format_table',
    'outcomes',
    'parse_grid',
    'parse_links',
    'work_off',
]
