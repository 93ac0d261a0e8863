"""The settings that are trained again."""

from dataclasses import dataclass

from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.roi_study.settings import PLAIN, searched
from benchmarks.study.found import best_of
from benchmarks.study.setting import Setting

LOGITS, MAPS = ('kd', 'luminet'), ('fgfi', 'fgfi_luminet')


@dataclass(frozen=True)
class Again:
    """A setting of another study, with separate results."""

    setting: Setting
    study: str = 'replication'

    def __getattr__(self, name: str):
        return getattr(self.setting, name)


def asked() -> dict[str, Again]:
    """The best setting of each method in the studies, by method; the student alone first."""
    found = {'plain': PLAIN}
    found |= {method: best_of(searched(method)[0]) for method in LOGITS}
    found |= {method: DETECTORS.best(method) for method in MAPS}
    return {method: Again(setting) for method, setting in found.items()}
