import pytest

from luminet_det.quickstart.table import format_table, gap_closed, summarise, verdict


def results(*scores, parameters=1000, steps=500):
    return [
        dict(seed=seed, AP=score, AP50=2 * score, seconds=60.0 + seed, parameters=parameters, steps=steps)
        for seed, score in enumerate(scores)
    ]


def runs(teacher=0.5, student=(0.1,), distilled=(0.3,)):
    return dict(teacher=results(teacher), student=results(*student), distilled=results(*distilled))


def cells(table):
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines() if '|' in line]


def test_one_seed_shows_no_spread():
    table = format_table(runs())
    assert cells(table)[0] == ['', 'AP', 'AP50', 'gap closed', 'train seconds', 'parameters']
    assert cells(table)[2] == ['teacher, 500 steps', '0.500', '1.000', '-', '60', '1,000']
    assert cells(table)[4] == ['distilled, 500 steps', '0.300', '0.600', '50%', '60', '1,000']
    assert '±' not in table
    assert 'ahead on 1 of 1 seed.' in table


def test_several_seeds_show_mean_and_sample_sd():
    table = format_table(runs(student=(0.1, 0.2, 0.3), distilled=(0.3, 0.4, 0.2)))
    assert cells(table)[3][1] == '0.200 ± 0.100'
    assert cells(table)[3][4] == '61 ± 1'
    assert 'distilled beats plain: mean AP 0.300 against 0.200 (+0.100), ahead on 2 of 3 seeds.' in table


def test_the_lines_are_aligned_on_the_screen():
    lines = [line for line in format_table(runs()).splitlines() if '|' in line]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ('student', 'distilled'),
    [((0.3,), (0.1,)), ((0.2,), (0.2,)), ((0.1, 0.5), (0.2, 0.3))],
    ids=['loses', 'ties', 'wins one seed but not the mean'],
)
def test_the_claim_is_made_only_if_it_is_true(student, distilled):
    table = format_table(runs(student=student, distilled=distilled))
    assert 'beats' not in table
    assert 'distilled did not beat plain' in table


def test_a_mean_that_wins_on_few_seeds_says_on_how_many():
    assert 'ahead on 1 of 3 seeds' in verdict(runs(student=(0.2, 0.2, 0.2), distilled=(0.6, 0.1, 0.2)))


def test_a_distilled_student_worse_than_plain_closes_a_negative_gap():
    assert cells(format_table(runs(distilled=(0.06,))))[4][3] == '-10%'


@pytest.mark.parametrize('teacher', [0.1, 0.05])
def test_a_teacher_no_better_than_the_student_leaves_no_gap(teacher):
    assert gap_closed(runs(teacher=teacher)) is None
    table = format_table(runs(teacher=teacher))
    assert cells(table)[4][3] == '-'
    assert 'no gap to close' in table


def test_students_of_different_seeds_are_not_compared():
    mixed = runs(student=(0.1, 0.2), distilled=(0.3, 0.4))
    mixed['distilled'].reverse()
    with pytest.raises(ValueError, match=r'seeds \[0, 1\] and the distilled student \[1, 0\]'):
        format_table(mixed)


def test_a_summary_of_one_seed_has_no_sd():
    assert summarise(results(0.25))['AP'] == dict(mean=0.25, sd=None, n=1)
    assert summarise(results(0.1, 0.3))['AP']['sd'] == pytest.approx(0.1414, abs=1e-4)
