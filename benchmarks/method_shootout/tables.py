"""The detectors' half of docs/method_shootout.md."""

from benchmarks.method_shootout.settings import FACTORS, alone, methods, tries
from benchmarks.methods_table import DETECTION, step_costs
from benchmarks.study.shootout import Shootout

DETECTORS = Shootout(
    scored='AP',
    factors=FACTORS,
    titles={name: DETECTION[name].title for name in methods()},
    cost=step_costs('detectors'),
    tries=tries,
    alone=alone,
)
