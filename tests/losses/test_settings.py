"""Settings of any loss that are refused because they would have another effect than they say, or none."""

import inspect
import re

import pytest

from luminet_det import losses

LOSSES = [getattr(losses, name) for name in losses.__all__ if name.endswith('Loss')]


def defaults(kind):
    """The settings of a loss that have a default, with their defaults."""
    parameters = inspect.signature(kind).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


FLAGS = [(kind, name) for kind in LOSSES for name, value in defaults(kind).items() if isinstance(value, bool)]
WEIGHTS = {kind: [name for name in defaults(kind) if re.fullmatch(r'(?!loss_)\w+_weight', name)] for kind in LOSSES}
PARTS = [(kind, names) for kind, names in WEIGHTS.items() if names]


def name_of(value):
    return value.__name__ if isinstance(value, type) else None


def test_the_losses_with_such_settings_are_found():
    assert {f'{kind.__name__}.{name}' for kind, name in FLAGS} >= {'KDLoss.standardize', 'LumiNetLoss.sync'}
    assert len(PARTS) >= 7
    assert all(len(names) > 1 for _, names in PARTS)


@pytest.mark.parametrize('value', ['False', 'no', 1, None], ids=repr)
@pytest.mark.parametrize(('kind', 'name'), FLAGS, ids=name_of)
def test_what_is_neither_true_nor_false_is_refused_by_name_and_value(kind, name, value):
    with pytest.raises(ValueError, match=f'^{name} must be True or False, got {re.escape(f"{name}={value!r}")}$'):
        kind(**{name: value})


@pytest.mark.parametrize(('kind', 'name'), FLAGS, ids=name_of)
def test_true_and_false_are_kept(kind, name):
    assert [getattr(kind(**{name: value}), name) for value in (True, False)] == [True, False]


@pytest.mark.parametrize(('kind', 'names'), PARTS, ids=name_of)
def test_parts_that_all_have_the_weight_zero_are_refused_with_what_to_write(kind, names):
    message = rf'^{kind.__name__} has nothing to compare: set one of {names[0]}.* and {names[-1]} above 0, .*'
    with pytest.raises(ValueError, match=message + r'with loss_weight=0\.$') as error:
        kind(**dict.fromkeys(names, 0))
    assert all(name in str(error.value) for name in names)


@pytest.mark.parametrize(('kind', 'names'), PARTS, ids=name_of)
def test_any_part_may_be_the_only_one(kind, names):
    for name in names:
        loss = kind(**(dict.fromkeys(names, 0) | {name: 0.5}))
        assert [getattr(loss, each) for each in names] == [0.5 * (each == name) for each in names]
