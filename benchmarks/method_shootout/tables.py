"""The detectors' half of docs/method_shootout.md."""

from benchmarks.method_shootout.settings import alone, methods, tries
from benchmarks.methods import DETECTION, step_costs
from benchmarks.study.shootout import Shootout

DETECTORS = Shootout(
    scored='AP',
    titles={name: DETECTION[name].title for name in methods()},
    cost=step_costs('detectors'),
    tries=tries,
    alone=alone,
)
