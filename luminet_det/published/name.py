"""What a config's name says: <method>_<student>-<teacher>, or <network> for a plain one, and what follows it."""

import re
from typing import NamedTuple

NETWORKS = (
    'resnet8', 'resnet14', 'resnet20', 'resnet32', 'resnet44', 'resnet56', 'resnet110', 'resnet8x4', 'resnet32x4',
    'wrn_16_2', 'wrn_40_1', 'wrn_40_2', 'vgg8', 'vgg11', 'vgg13', 'mobilenetv2_half', 'shufflenetv1', 'shufflenetv2',
    'resnet18_32px', 'resnet50_32px', 'mobilenetv1', 'deit_small_32px', 'deit_compact_32px', 'resnet18', 'resnet34',
    'resnet50', 'mobilenetv2', 'hrnet_w18_small',
)  # fmt: skip
NETWORK = '|'.join(sorted(NETWORKS, key=len, reverse=True))
FORM = re.compile(rf'(?:(?P<method>\w+?)_)?(?P<student>{NETWORK})(?:-(?P<teacher>{NETWORK}))?(?:[_-](?P<variant>.+))?')
PLAIN = 'plain'


class Name(NamedTuple):
    """A run by its config's name.

    Attributes:
        method: Such as 'luminet'; 'plain' for a network trained alone.
        student: Registered name of the network that is trained.
        teacher: Registered name of its teacher; None for a plain one.
        variant: The rest of the name, such as an augmentation; '' if there is none.
    """

    method: str
    student: str
    teacher: str | None
    variant: str


def read_name(text: str) -> Name | None:
    """Take a config's name apart; None for one that names no network known here."""
    found = FORM.fullmatch(text)
    if found is None or (found['method'] is None) != (found['teacher'] is None):
        return None
    return Name(found['method'] or PLAIN, found['student'], found['teacher'], found['variant'] or '')
