"""`--cfg-options KEY=VALUE`, as all tools take them."""

from mmengine.config import DictAction


def parse_value(text: str) -> object:
    """The value that `--cfg-options key=text` sets: mmengine's, but that a single one keeps its spaces, as a path.

    >>> parse_value('1e-3'), parse_value('[1, 2]'), parse_value('my data/'), parse_value('None')
    (0.001, [1, 2], 'my data/', None)
    """
    if {*text} & {*',()[]'}:
        return DictAction._parse_iterable(text)
    return DictAction._parse_int_float_bool(text.strip().strip('\'"'))


class OptionsAction(DictAction):
    """The words of `--cfg-options` as a dict, for argparse."""

    _parse_iterable = staticmethod(parse_value)
