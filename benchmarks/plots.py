"""The plots of the docs, each with a digest of the figures that it shows."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from PIL import Image

from benchmarks.classifier_shootout.settings import PIXELS
from benchmarks.classifier_shootout.tables import CLASSIFIERS
from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.roi_study import plots as roi_study

DOCS = Path(__file__).resolve().parents[1] / 'docs'
DIGEST = 'Data'  # the PNG's text


class Plot(NamedTuple):
    """A plot.

    Attributes:
        shown: The figures in it: titles and numbers, which JSON can hold.
        make: Draws them.
    """

    shown: object
    make: Callable[[], Figure]


def plots() -> dict[Path, Plot]:
    """All plots, by file."""
    found = roi_study.plots() | {
        'method_shootout': DETECTORS.plot('Detectors: AP against the price of a step'),
        'classifier_shootout': CLASSIFIERS.plot(
            f'Classifiers: top-1 of ResNet-8 ← ResNet-20 at {PIXELS} px\n'
            'against the price of a step of ResNet-8x4 ← ResNet-32x4 at 32 px'
        ),
    }
    return {DOCS / f'{name}.png': Plot(*plot) for name, plot in found.items()}


def draw() -> list[Path]:
    """Draw the stale plots; returns their files."""
    drawn = stale()
    for path in drawn:
        shown, make = plots()[path]
        make().savefig(path, dpi=110, metadata={DIGEST: digest(shown), 'Software': None})
    return drawn


def stale() -> list[Path]:
    """The files that are missing or show other figures than those in the results."""
    return [path for path, plot in plots().items() if digest_in(path) != digest(plot.shown)]


def digest(shown: object) -> str:
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def digest_in(path: Path) -> str | None:
    """The digest stored in a file; None without a file."""
    if not path.is_file():
        return None
    with Image.open(path) as image:
        return image.text.get(DIGEST)
