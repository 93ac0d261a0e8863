"""The runs that there are, and what the study says of a setting."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.roi_study.settings import PLAIN, TEACHER, Setting, tried
from luminet_det.published.spread import paired_difference, spread

POINTS = 100  # of AP


@dataclass(frozen=True)
class Found:
    """Every result file of a folder.

    Args:
        runs: Their contents by setting's name and seed.
    """

    runs: dict[str, dict[int, dict]]

    @classmethod
    def read(cls, folder: Path) -> 'Found':
        runs: dict[str, dict[int, dict]] = {}
        for path in sorted(folder.glob('*.json')):
            content = json.loads(path.read_text())
            runs.setdefault(content['setting'], {})[content['seed']] = content
        return cls(runs)

    def values(
        self, setting: Setting, of: Callable[[dict], float] | str = 'AP', split: str = 'report'
    ) -> dict[int, float]:
        """A metric, in points of 100, by seed.

        Args:
            setting: Of which runs.
            of: Name of the metric, or a function of a split's scores.
            split: 'report', or 'tune', which settings are chosen by.
        """
        pick = of if callable(of) else lambda scores: scores[of]
        return {seed: POINTS * pick(run['scores'][split]) for seed, run in self.runs.get(setting.name, {}).items()}

    def mean(self, setting: Setting, of: Callable[[dict], float] | str = 'AP', split: str = 'report') -> float | None:
        found = self.values(setting, of, split)
        return sum(found.values()) / len(found) if found else None

    def spread(self, setting: Setting, of: Callable[[dict], float] | str = 'AP', split: str = 'report') -> str:
        """Mean ± sample sd over the seeds, or 'not run'."""
        return spread(list(self.values(setting, of, split).values()))

    def difference(self, setting: Setting, other: Setting, of: Callable[[dict], float] | str = 'AP') -> str:
        """Mean difference by seed on the reported set, from three seeds on with its 95% interval."""
        return paired_difference(self.values(setting, of), self.values(other, of))

    def gap_closed(self, setting: Setting) -> str:
        """(distilled - student) / (teacher - student), of the means over the seeds that both have."""
        teacher = self.mean(Setting(TEACHER, uneven=setting.uneven))
        plain = self.values(Setting(PLAIN.method, batch=setting.batch, uneven=setting.uneven))
        own = self.values(setting)
        seeds = own.keys() & plain.keys()
        if teacher is None or not seeds:
            return '-'
        alone, distilled = (sum(values[seed] for seed in seeds) / len(seeds) for values in (plain, own))
        return f'{(distilled - alone) / (teacher - alone):.0%}'


def best_of(method: str, found: Found) -> Setting | None:
    """Of a method's tries the one with the highest AP on the set to choose by, with the first seed; None before any."""
    ran = [setting for setting in tried(method) if 0 in found.values(setting, split='tune')]
    return max(ran, key=lambda setting: found.values(setting, split='tune')[0], default=None)
