"""The replication repeats the settings that the studies chose, and its results count in no other table."""

import json

import pytest

from benchmarks.digits_study import run
from benchmarks.replication import tables
from benchmarks.replication.settings import asked
from benchmarks.study.found import values
from benchmarks.study.setting import RESULTS

FILES = sorted((RESULTS / 'replication').glob('*.json'))


def test_its_seeds_are_counted_in_no_table_of_the_studies():
    for again in asked().values():
        assert not values(again).keys() & values(again.setting).keys(), again.name


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_a_kept_result_is_of_what_the_study_chose(path):
    content = json.loads(path.read_text())
    config = {again.name: again for again in asked().values()}[content['setting']].build()
    expected = dict(distill=run.options(config), **run.recipe(config))
    assert {key: content[key] for key in expected} == expected


def test_each_is_compared_with_those_before_it():
    header, _, *lines = tables.of_all().splitlines()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    assert header.count(' vs ') == 4
    for place, cells in enumerate(rows):
        assert [bool(cell) for cell in cells[3:7]] == [i < place for i in range(4)]
