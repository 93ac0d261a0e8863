"""What a study trains, and where its results are."""

from pathlib import Path
from typing import Protocol

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / 'benchmarks' / 'results'
TUNE, REPORT = 'tune', 'report'  # the set by which settings are chosen, and the one that is reported


class Setting(Protocol):
    """What a study trains.

    Attributes:
        study: Name of the study, and of the folder of its results.
        name: Unique within the study, and a file name.
        metric: The score to choose by.
        teacher: The setting that teaches the student; with its own `seed` if it has one.
    """

    study: str
    name: str
    metric: str
    teacher: 'Setting'


def result_file(setting: Setting, seed: int) -> Path:
    return RESULTS / setting.study / f'{setting.name}-{seed}.json'
