"""How the pictures look: colours that everyone can tell apart, sizes, names of classes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette without its yellow, which is too light on white; markers tell a second round apart.
PALETTE = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#000000')
MARKERS = ('o', '^', 's')
NETWORKS = ('#0072B2', '#D55E00', '#7A7A7A')
MOST_CLASSES = len(PALETTE) * len(MARKERS)
# One with even steps in lightness for amounts, one with a light middle for signs; both suit colour-blind readers.
AMOUNTS, SIGNS = 'cividis', 'RdBu_r'
DPI = 130


def new_figure(width: float, height: float) -> 'Figure':
    """A figure of this size in inches, with a layout in which its parts do not overlap."""
    # Not pyplot's, which would keep it alive and need a display.
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, layout='constrained')
    made.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    return made


def class_style(place: int) -> dict[str, str]:
    """Colour and marker of the class at this place in a legend, of at most `MOST_CLASSES`."""
    return dict(color=PALETTE[place % len(PALETTE)], marker=MARKERS[place // len(PALETTE) % len(MARKERS)])


def readable(names: Sequence[str], longest: int = 18) -> list[str]:
    """Names of classes as labels: spaces for underscores, long ones cut."""
    spaced = [name.replace('_', ' ') for name in names]
    return [name if len(name) <= longest else f'{name[: longest - 1]}…' for name in spaced]
