"""No method's step costs more relative to KD's than published figures allow, and the page ranks the methods by cost."""

import pytest

from benchmarks import methods_table
from benchmarks.classifier_shootout.tables import CLASSIFIERS as CLASSIFIERS_SHOOTOUT
from benchmarks.method_cost.__main__ import PUBLISHED
from benchmarks.method_shootout.tables import DETECTORS
from benchmarks.methods import CLASSIFIERS, DETECTION, Method, costs
from benchmarks.methods_table import allowed, order_of_steps

COST = costs('classifiers')


def taken(**ratios):
    """Costs with these medians, and quartiles 0.01 below and above."""
    return {
        name: dict(over_kd=dict(median=ratio, quartiles=[ratio - 0.01, ratio + 0.01])) for name, ratio in ratios.items()
    }


def test_whole_milliseconds_allow_half_of_one_either_way():
    assert allowed('fitnet') == pytest.approx((13.5 / 11.5, 14.5 / 10.5))
    assert allowed('kd') == pytest.approx((10.5 / 11.5, 11.5 / 10.5))


@pytest.mark.parametrize('name', PUBLISHED)
def test_no_step_is_slower_relative_to_kd_than_its_published_milliseconds_allow(name):
    assert COST[name]['over_kd']['median'] <= allowed(name)[1]


def test_the_page_ranks_every_published_method_as_published_and_as_measured():
    line = methods_table.classifiers().splitlines()[-1]
    assert line == order_of_steps(COST)
    published, ours = line.partition('Here: ')[::2]
    ours = ours.partition(' (')[0]
    for ranked, cost in (
        (published.partition(': ')[2].rstrip('. '), PUBLISHED),
        (ours, {name: COST[name]['over_kd']['median'] for name in PUBLISHED}),
    ):
        titles = ranked.replace(' = ', ' < ').replace(' ≈ ', ' < ').split(' < ')
        by_title = {CLASSIFIERS[name].title: value for name, value in cost.items()}
        assert sorted(titles) == sorted(by_title)
        assert [by_title[title] for title in titles] == sorted(by_title.values())


def test_steps_are_joined_where_their_quartiles_overlap_and_told_apart_where_they_do_not():
    line = order_of_steps(taken(kd=1.0, dkd=1.015, luminet=1.04))
    assert 'Here: KD ≈ DKD < LumiNet (' in line


def test_a_step_outside_of_what_is_published_is_named_on_its_side():
    # FitNet, published at 14 ms, may take 1.17 to 1.38 times KD's time; OFD, at 19 ms, 1.61 to 1.86.
    assert order_of_steps(taken(kd=1.0, fitnet=1.39, ofd=1.6)).endswith('either way: FitNet. Faster: OFD.')
    assert order_of_steps(taken(kd=1.0, fitnet=1.38, ofd=1.62)).endswith('either way: none. Faster: none.')


@pytest.mark.parametrize(('table', 'make', 'measured'), [(CLASSIFIERS, 'classifiers', 2), (DETECTION, 'detectors', 1)])
def test_a_line_is_all_that_a_new_methods_row_takes(table, make, measured, monkeypatch):
    monkeypatch.setitem(table, 'angle', Method('Angle', 'methods_features.md', '`features`', 'To try it.', ''))
    (row,) = (line for line in getattr(methods_table, make)().splitlines() if line.startswith('| [Angle]'))
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    assert cells[:3] == ['[Angle](methods_features.md)', '`features`', 'not run']
    assert cells[-2 - measured :] == ['-', *['not run'] * measured, 'To try it.']


@pytest.mark.parametrize('shootout', [DETECTORS, CLASSIFIERS_SHOOTOUT])
def test_a_step_of_every_method_of_the_shootouts_was_timed(shootout):
    assert {*shootout.titles} <= {*shootout.cost}
