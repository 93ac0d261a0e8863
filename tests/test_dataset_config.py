"""The classes of a dataset whose metainfo may be a list with an entry per part."""

import pytest

from luminet_det.dataset_config import common_classes


def test_parts_that_agree_in_their_classes_may_differ_in_the_rest():
    parts = [dict(classes=('ant', 'bee'), palette=[(0, 0, 0)]), dict(classes=('ant', 'bee'), palette=None)]
    assert common_classes(parts) == common_classes(parts[0]) == ('ant', 'bee')
    assert common_classes([dict(classes=('ant', 'bee')), dict(classes=['ant', 'bee'])]) == ('ant', 'bee')
    assert common_classes({}) is None


def test_parts_of_different_classes_are_listed():
    with pytest.raises(ValueError, match='name different classes; give all the same metainfo:\n  ant\n  bee, cat'):
        common_classes([dict(classes=('ant',)), dict(classes=('bee', 'cat'))])
