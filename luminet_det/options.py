"""`--cfg-options KEY=VALUE`, as all tools take them."""

from mmengine.config import DictAction


def parse_value(text: str) -> object:
    """The value of `--cfg-options key=text`, as mmengine reads it, but with spaces kept outside lists, as in paths.

    >>> parse_value('1e-3'), parse_value('[1, 2]'), parse_value('my data/'), parse_value('None')
    (0.001, [1, 2], 'my data/', None)
    """
    if 'dict(' in text:
        return text  # mmengine would search for the end of the list forever; `config.load` refuses it and names the key
    bare = text.strip().strip('\'"')
    if ',' in bare or (bare[:1], bare[-1:]) in (('(', ')'), ('[', ']')):
        return DictAction._parse_iterable(text)
    return DictAction._parse_int_float_bool(bare)


class OptionsAction(DictAction):
    """The values of `--cfg-options` as a dict, for argparse."""

    _parse_iterable = staticmethod(parse_value)
