import pytest
from mmengine.optim import AmpOptimWrapper

from luminet_det.class_name import class_name


@pytest.mark.parametrize('kind', ['AmpOptimWrapper', 'mmengine.AmpOptimWrapper', AmpOptimWrapper])
def test_it_is_the_name_without_the_scope(kind):
    assert class_name(dict(type=kind)) == 'AmpOptimWrapper'


@pytest.mark.parametrize('setting', [None, {}, dict(type=None), 'AmpOptimWrapper'])
def test_without_a_type_it_is_empty(setting):
    assert class_name(setting) == ''
