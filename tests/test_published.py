"""The published numbers are complete, marked unless read in their source, and found by the names of configs."""

import json
import re
from dataclasses import asdict

import pytest

from luminet_det.classification.probe import Protocol
from luminet_det.published import cifar100, imagenet
from luminet_det.published.cifar100 import Pair
from luminet_det.published.figure import Figure, add_columns, read_rows
from luminet_det.published.name import NETWORKS, Name, read_name
from luminet_det.published.probe import IMAGES, PROTOCOL
from luminet_det.published.spread import paired_difference, spread

ROWS = {row.method: row for row in cifar100.TOP1}


def figure(method, student, teacher):
    return ROWS[method].figures[cifar100.PAIRS.index((student, teacher))]


@pytest.mark.parametrize(
    ('method', 'student', 'teacher', 'shown'),
    [
        ('LumiNet', 'resnet8x4', 'resnet32x4', '77.50'),
        ('LumiNet', 'mobilenetv2_half', 'resnet50_32px', '70.97'),
        ('KD', 'shufflenetv2', 'resnet32x4', '74.45'),
        ('DKD', 'wrn_16_2', 'wrn_40_2', '76.24'),
        ('teacher', 'vgg8', 'vgg13', '74.64'),
        ('student', 'shufflenetv1', 'wrn_40_2', '70.50'),
        ('MLLD', 'shufflenetv1', 'resnet32x4', '77.18 [R]'),
        ('FCFD', 'wrn_16_2', 'wrn_40_2', '?'),
        ('FCFD', 'resnet32', 'resnet110', '-'),
        ('FCFD', 'resnet20', 'resnet56', '71.68 [I]'),
        ('FCFD', 'shufflenetv1', 'wrn_40_2', '77.81'),
        ('DIST', 'mobilenetv2_half', 'resnet50_32px', '68.66 ± 0.23'),
        ('KD + LS', 'mobilenetv2_half', 'vgg13', '68.61'),
        ('SP', 'resnet8x4', 'resnet32x4', '72.94 [R]'),
        ('SP', 'resnet20', 'resnet110', '70.04'),
        ('SP', 'wrn_16_2', 'resnet32x4', '-'),
        ('DKD', 'resnet20', 'resnet110', '71.06'),
        ('LumiNet', 'resnet20', 'resnet110', '-'),
        ('FitNet', 'vgg8', 'resnet50_32px', '70.69'),
        ('MLLD', 'vgg8', 'resnet50_32px', '-'),
        ('MLLD + LS', 'wrn_40_2', 'resnet32x4', '79.66'),
        ('DKD + LS', 'resnet8x4', 'wrn_40_2', '76.75'),
        ('KD', 'mobilenetv2_half', 'wrn_40_2', '68.36'),
    ],
)
def test_a_number_stands_in_its_column_with_its_mark(method, student, teacher, shown):
    assert str(figure(method, student, teacher)) == shown


def test_the_rows_that_have_configs_come_first_and_each_has_a_source():
    for rows in (cifar100.TOP1, imagenet.RESNET18, imagenet.MOBILENETV1):
        assert [row.method for row in rows[:5]] == ['teacher', 'student', 'KD', 'DKD', 'LumiNet']
        assert all(row.source for row in rows)
        assert len({row.key for row in rows}) == len(rows)


def test_every_published_accuracy_is_between_its_student_less_ten_and_ninety():
    """A number that lost a digit in typing would be outside this range."""
    plain = ROWS['student'].figures
    for row in cifar100.TOP1:
        for value, base in zip(row.figures, plain, strict=True):
            assert value.value is None or base.value - 10 < value.value < 90


def test_a_network_has_one_accuracy_in_all_columns():
    found = {}
    for column, pair in enumerate(cifar100.PAIRS):
        found.setdefault(pair.teacher, set()).add(ROWS['teacher'].figures[column].value)
        found.setdefault(pair.student, set()).add(ROWS['student'].figures[column].value)
    assert {len(values) for values in found.values()} == {1}
    assert set(found) <= set(NETWORKS)


def test_the_imagenet_student_of_resnet50_is_mobilenet_v1():
    rows = imagenet.PAIRS[Pair('mobilenetv1', 'resnet50')]
    assert [str(value) for row in rows[1:2] for value in row.figures] == ['68.87', '88.76 [R]']
    genuine = imagenet.PAIRS[Pair('mobilenetv2', 'resnet50')]
    assert all(value.value is None for row in genuine for value in row.figures)


def test_no_recalled_row_is_shown_as_read():
    """All transfer results are recalled, except LumiNet's, which are published only as an unreadable picture."""
    assert {value.mark for row in cifar100.TRANSFER for value in row.figures} == {'R', '?'}
    recalled = [row.method for row in imagenet.MOBILENETV1 if row.figures[0].mark == 'R']
    assert recalled == ['KD', 'AT', 'OFD', 'CRD', 'DML', 'TAKD', 'MLLD']


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match='a 2, b 1'):
        read_rows('a: s: 1.0 2.0\nb: s: 1.0', {'s': 'somewhere'})


def test_further_columns_stand_behind_those_of_their_method_and_say_where_they_were_read():
    sources = dict(s='somewhere', t='elsewhere')
    rows = read_rows('a: s: 1.0 2.0\nb: s: 3.0 4.0\nc: s: 5.0 6.0', sources)
    joined = add_columns(rows, read_rows('c: s: 7.0\na: t: 8.0R', sources), 'of other pairs')
    assert [[str(value) for value in row.figures] for row in joined] == [
        ['1.0', '2.0', '8.0 [R]'], ['3.0', '4.0', '-'], ['5.0', '6.0', '7.0']
    ]  # fmt: skip
    assert [row.source for row in joined] == ['somewhere; of other pairs: elsewhere', 'somewhere', 'somewhere']
    with pytest.raises(ValueError, match='columns of d, which have no row'):
        add_columns(rows, read_rows('d: s: 1.0', sources), 'of other pairs')


def test_a_figure_keeps_the_decimals_it_was_published_with():
    assert [str(Figure.read(text)) for text in ('68.6R', '70.50', '-', '?')] == ['68.6 [R]', '70.50', '-', '?']


NAMES = {
    'resnet8x4': Name('plain', 'resnet8x4', None, ''),
    'wrn_40_2': Name('plain', 'wrn_40_2', None, ''),
    'luminet_resnet20-resnet56': Name('luminet', 'resnet20', 'resnet56', ''),
    'dkd_wrn_16_2-wrn_40_2': Name('dkd', 'wrn_16_2', 'wrn_40_2', ''),
    'kd_mobilenetv2_half-resnet50_32px': Name('kd', 'mobilenetv2_half', 'resnet50_32px', ''),
    'luminet_mobilenetv2-resnet50': Name('luminet', 'mobilenetv2', 'resnet50', ''),
    'luminet_deit_compact_32px-deit_small_32px': Name('luminet', 'deit_compact_32px', 'deit_small_32px', ''),
    'luminet_vgg8-vgg13_autoaugment': Name('luminet', 'vgg8', 'vgg13', 'autoaugment'),
    'luminet_tau_vgg8-vgg13': Name('luminet_tau', 'vgg8', 'vgg13', ''),
    'luminet_wrn_16_2-wrn_40_2-resnet8x4': Name('luminet', 'wrn_16_2', 'wrn_40_2', 'resnet8x4'),
    'kd_resnet20': None,
    'resnet20-resnet56': None,
    'my_own_network': None,
}


@pytest.mark.parametrize('text', NAMES)
def test_a_configs_name_says_method_student_and_teacher(text):
    assert read_name(text) == NAMES[text]


@pytest.mark.parametrize('pair', [*cifar100.PAIRS, cifar100.VIT_PAIR, *imagenet.PAIRS], ids=str)
def test_every_published_pair_is_found_by_its_name(pair):
    assert read_name(f'luminet_{pair.student}-{pair.teacher}') == ('luminet', pair.student, pair.teacher, '')


def test_mean_and_sample_sd():
    assert [spread(values) for values in ([], [70.0], [70.0, 72.0])] == ['not run', '70.00', '71.00 ± 1.41']


def test_a_paired_difference_is_by_seed_with_a_t_interval_from_three_seeds_on():
    plain = {0: 70.0, 1: 72.0, 2: 71.0, 9: 0.0}
    # Differences 1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.3027.
    assert paired_difference({0: 71.0, 1: 74.0, 2: 74.0}, plain) == '+2.00 (-0.48 to +4.48)'
    assert paired_difference({0: 71.0, 1: 74.0, 2: 74.0, 3: 99.0}, plain) == '+2.00 (-0.48 to +4.48, n = 3)'
    assert paired_difference({0: 71.0, 1: 74.0}, plain) == '+1.50 (n = 2)'
    assert paired_difference({5: 71.0}, plain) == '-'


def test_a_probe_counts_with_the_settings_that_the_tool_has_by_itself():
    assert json.loads(json.dumps(asdict(Protocol()))) == dict(PROTOCOL)
    assert tuple(IMAGES) == cifar100.TRANSFER_COLUMNS


def test_no_name_of_a_method_is_that_of_a_network():
    assert not any(re.search(row.key, network) for row in cifar100.TOP1 for network in NETWORKS)
