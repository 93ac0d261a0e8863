"""tools/results.py: a run is shown next to a published number only if it followed the published protocol."""

import json
import re
import shlex
import shutil
from itertools import pairwise

import pytest

from luminet_det.published import cifar100, imagenet, load_runs
from luminet_det.published.name import Name, read_name
from luminet_det.sweep.grid import parse_value
from tests import runs
from tests.classification_configs import parsed, teachers, work_dir
from tools import linear_probe, results, sweep

ROOT = runs.TOOLS.parent
TABLES = ROOT / 'benchmarks' / 'results'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'cifar100').mkdir()
    (tmp_path / 'imagenet').mkdir()
    return tmp_path


def write(folder, name, best, last, seed=0, where='cifar100', top5=90.0, **changes):
    """Write a result file as a run does; returns its path."""
    protocol = dict(train_images=50_000, epochs=240, batch_size=64, dataset='CIFAR-100', options={}, test=None)
    protocol |= dict(selected_on='test', hardware='2 cores', versions=dict(torch='2.9'), commit='abc', seconds=9.0)
    if where == 'imagenet':
        protocol |= dict(train_images=1_281_167, epochs=100, batch_size=512, dataset='ImageNet')
    content = dict(config=f'configs/{where}/{name}.py', name=name, seed=seed) | protocol | changes
    epochs = {'best': content['epochs'] - 3, 'last': content['epochs']}
    scores = dict(best=best, last=last)
    content.setdefault(
        'metrics',
        {
            kind: {'epoch': epochs[kind], 'accuracy/top1': scores[kind], 'accuracy/top5': top5 + scores[kind] / 100}
            for kind in scores
        },
    )
    content['history'] = [content['metrics']['best'], content['metrics']['last']]
    path = folder / where / f'{len(list((folder / where).iterdir()))}.json'
    path.write_text(json.dumps(content))
    return path


TINY, STL = dict(data='Tiny-ImageNet', images=[100_000, 10_000]), dict(data='STL-10', images=[5_000, 8_000])


def write_probe(folder, name, tops, where='cifar100', **changes):
    """Write a file as tools/linear_probe.py does, for Tiny-ImageNet unless `changes` differ; returns its path."""
    said = read_name(name) or Name(None, None, None, None)
    content = dict(config=f'configs/{where}/{name}.py', name=name, network=said.student, options={}, **said._asdict())
    content |= dict(checkpoint=f'work_dirs/{name}/epoch_240.pth', data_name='tiny-imagenet', resize=32, **TINY)
    content['protocol'] = dict(learning_rates=[0.1, 1.0, 5.0], epochs=100, batch_size=256, held_out=0.1)
    content['seeds'] = [dict(seed=seed, top1=top, top5=top + 30.5) for seed, top in enumerate(tops)]
    (folder / 'transfer').mkdir(exist_ok=True)
    path = folder / 'transfer' / f'{len(list((folder / "transfer").iterdir()))}.json'
    path.write_text(json.dumps(content | changes))
    return path


def page(folder, capsys):
    assert results.main(['--results', str(folder)]) == 0
    return capsys.readouterr().out


def rows(page, heading):
    """The rows of the first table below a heading: the other cells by the first."""
    lines = page.partition(f'# {heading}')[2].partition('\n#')[0].splitlines()
    table = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines if line.startswith('|')]
    return {line[0]: line[1:] for line in table}


def column(page, heading, name):
    table = rows(page, heading)
    place = table[''].index(name)
    return {row: cells[place] for row, cells in table.items() if row}


SAME, OTHER = 'CIFAR-100, same architecture (table 1a)', 'CIFAR-100, other architecture (table 1b)'
BEYOND = "CIFAR-100, pairs beyond the paper's"
SHORT = dict(train_images=10_000, epochs=48)


def test_without_results_every_measured_cell_says_not_run_and_how_to_run_it(folder, capsys):
    text = page(folder, capsys)
    for heading in (SAME, OTHER, BEYOND):
        table = rows(text, heading)
        assert all(
            cell.endswith((' / not run', ' / no config'))
            for row, cells in table.items()
            if row.strip('-')
            for cell in cells
        )
    lines = rows(text, 'The rows that have configs')
    assert len(lines) == 2 + 15 + 3 * 11 + 6 + 1
    for name, cells in lines.items():
        if name.strip('-:') not in ('', 'config'):
            assert cells[1:5] == ['not run', 'not run', '0', '-']
            assert cells[5] == f'`python tools/train.py configs/cifar100/{name}.py`'
    assert '## Short protocols' not in text


def commands(text):
    """The words of each command in backticks, and of each text in backticks that begins with a config."""
    return [shlex.split(words) for words in re.findall(r'`((?:python tools/|configs/)[^`]+)`', text)]


def configs(text):
    """The names of the configs that the commands of a text train; for a chain, all of its configs."""
    words = [word for command in commands(text) for word in command if word.startswith('configs/')]
    return {word.rpartition('/')[2].removesuffix('.py') for word in words if word.endswith('.py')}


def test_every_command_of_the_page_names_a_config_that_is_there(folder, capsys):
    found = {word for words in commands(page(folder, capsys)) for word in words if word.endswith('.py')}
    assert len(found) > 250
    assert [path for path in sorted(found) if not (ROOT / path).is_file()] == []


def test_every_not_run_has_a_command_and_what_has_no_config_says_so(folder, capsys):
    text = page(folder, capsys)
    commanded, files = configs(text), {path.stem for path in (ROOT / 'configs' / 'cifar100').rglob('*.py')}
    checked = 0
    for heading in (SAME, OTHER, BEYOND):
        table = rows(text, heading)
        pairs = [pair.split(' ← ') for pair in table.pop('')]
        keys = {row.method: row.key for row in cifar100.TOP1}
        for method, cells in table.items():
            for (student, teacher), cell in zip(pairs, cells, strict=True):
                if not method.strip('-'):
                    continue
                alone = dict(student=student, teacher=teacher).get(method)
                name = alone or f'{keys[method]}_{student}-{teacher}'
                assert cell.rpartition(' / ')[2] == ('not run' if name in files else 'no config'), name
                assert (name in commanded) == (name in files), name
                checked += 'not run' in cell
    # Each row of the other tables names its config, or the commands of what was not run are listed below the table.
    for section in re.split(r'^#+ ', text, flags=re.MULTILINE):
        title, _, body = section.partition('\n')
        lines = [line for line in body.splitlines() if line.startswith('|') and 'not run' in line]
        if title in (SAME, OTHER, BEYOND) or not lines:
            continue
        _, sign, listed = body.partition('\nNot run:\n')
        checked += sum(line.count('not run') for line in lines)
        if sign:
            points = sum(len(grid(words)) if 'tools/sweep.py' in words else 1 for words in commands(listed))
            assert points == sum(line.count('not run') for line in lines)
        else:
            assert [line for line in lines if not configs(line)] == []
    assert checked == text.count('not run') - 1  # less the one in the explanation


def grid(words):
    """The values of `--grid` in a sweep's command."""
    return words[words.index('--grid') + 1].partition('=')[2].split(',')


def test_ctkd_has_no_config_and_takd_a_chain_of_those_that_teach_one_another(folder, capsys):
    text = page(folder, capsys)
    for method in ('CTKD', 'CTKD + LS'):
        assert {cell.partition(' / ')[2] for cell in rows(text, SAME)[method]} == {'no config'}
    chains = [words[2:] for words in commands(text) if words[1] == 'tools/train_chain.py']
    pairs = [*cifar100.PAPER_PAIRS, *list(imagenet.PAIRS)[:2]]
    assert [read_name(chain[-1].rpartition('/')[2].removesuffix('.py')) for chain in chains] == [
        Name('takd', *pair, '') for pair in pairs
    ]
    for chain in chains:
        for teacher, student in pairwise(chain):
            (told,) = teachers(parsed(ROOT / student))
            assert told.config == teacher
            assert told.checkpoint.startswith(f'{work_dir(ROOT / teacher)}/')
        # The first has no teacher, or one whose weights can be downloaded.
        assert [told for told in teachers(parsed(ROOT / chain[0])) if '://' not in told.checkpoint] == []


def test_a_chain_that_was_run_stands_in_its_table_and_beside_its_number(folder, capsys):
    path = 'configs/cifar100/takd/takd_vgg8-vgg13.py'
    options = {'model.teacher.checkpoint': 'work_dirs/chain_takd_vgg8-vgg13/2_kd_vgg11-vgg13/epoch_240.pth'}
    write(folder, 'takd_vgg8-vgg13', 73.5, 73.25, config=path, options=options)
    text = page(folder, capsys)
    assert rows(text, SAME)['TAKD'][-1] == '73.23 / 73.50'
    assert rows(text, 'Teacher assistants (TAKD)')['takd_vgg8-vgg13'][:4] == ['73.23', '73.50', '73.25', '1']
    assert '## Short protocols' not in text


def test_a_full_run_stands_beside_the_published_number_with_best_and_last(folder, capsys):
    for seed, best in enumerate((77.2, 77.6)):
        write(folder, 'luminet_resnet8x4-resnet32x4', best, best - 0.3, seed)
    write(folder, 'resnet32x4', 79.5, 79.1)
    text = page(folder, capsys)
    found = column(text, SAME, 'resnet8x4 ← resnet32x4')
    assert found['LumiNet'] == '77.50 / 77.40 ± 0.28'
    assert found['teacher'] == '79.42 / 79.50'
    assert found['KD'] == '73.33 / not run'
    assert column(text, OTHER, 'shufflenetv2 ← resnet32x4')['teacher'] == '79.42 / 79.50'
    detail = rows(text, 'The rows that have configs')['luminet_resnet8x4-resnet32x4']
    assert detail[:5] == ['77.50', '77.40 ± 0.28', '77.10 ± 0.28', '2', 'test set']


def test_pairs_beyond_the_papers_have_a_table_of_what_is_published_or_measured_of_them(folder, capsys):
    table = rows(page(folder, capsys), BEYOND)
    assert 'LumiNet' not in table
    assert column(page(folder, capsys), BEYOND, 'vgg8 ← resnet50_32px')['SP'] == '73.34 [R] / not run'
    write(folder, 'kd_wrn_40_2-resnet32x4', 77.6, 77.5)
    write(folder, 'luminet_wrn_40_2-resnet32x4', 79.1, 79.0)
    found = column(page(folder, capsys), BEYOND, 'wrn_40_2 ← resnet32x4')
    assert (found['KD'], found['LumiNet'], found['student']) == ('77.70 / 77.60', '- / 79.10', '75.61 / not run')


@pytest.mark.parametrize(
    'change',
    [
        dict(epochs=239),
        dict(train_images=45_000, selected_on='held-out part of the training set'),
        dict(batch_size=96),
        dict(batch_size=128, options={'optim_wrapper.optimizer.lr': 0.1}),
        dict(options={'model.compile.mode': 'default', 'model.ce_weight': 1}),
        dict(options={'model.distill.0.loss.tau': 2}),
        dict(dataset='CIFAR-10'),
        dict(config='configs/cifar100_other/luminet_resnet8x4-resnet32x4.py'),
        dict(metrics={kind: {'epoch': 100, 'accuracy/top1': 75.0} for kind in ('best', 'last')}),
    ],
    ids=lambda change: ','.join(change),
)
def test_a_run_that_differs_from_the_full_protocol_does_not_stand_beside_it(folder, capsys, change):
    write(folder, 'luminet_resnet8x4-resnet32x4', 75.0, 75.0, **change)
    text = page(folder, capsys)
    assert column(text, SAME, 'resnet8x4 ← resnet32x4')['LumiNet'] == '77.50 / not run'
    assert '75.00' in text.partition('## Short protocols')[2]


def test_options_that_say_where_things_are_do_not_make_a_run_another(folder, capsys):
    options = {'train_dataloader.dataset.data_root': '/data/c', 'model.teacher.checkpoint': 'work_dirs/t/best.pth'}
    write(folder, 'luminet_resnet8x4-resnet32x4', 77.0, 76.0, options=options)
    assert column(page(folder, capsys), SAME, 'resnet8x4 ← resnet32x4')['LumiNet'] == '77.50 / 77.00'


@pytest.mark.parametrize(
    'options',
    [
        {'model.compile': True},
        {'model.compile.mode': 'reduce-overhead'},
        {'model.compile.options.max_autotune': True, 'model.compile.dynamic': False},
        {'model.teacher.compile.backend': 'eager'},
    ],
    ids=lambda options: next(iter(options)),
)
def test_compilation_does_not_make_a_run_another(folder, capsys, options):
    write(folder, 'luminet_resnet8x4-resnet32x4', 77.0, 76.0, options=options)
    text = page(folder, capsys)
    assert column(text, SAME, 'resnet8x4 ← resnet32x4')['LumiNet'] == '77.50 / 77.00'
    assert '## Short protocols' not in text


def test_a_method_that_no_table_has_gets_a_row(folder, capsys):
    write(folder, 'crosskd_vgg8-vgg13', 75.5, 75.0)
    assert column(page(folder, capsys), SAME, 'vgg8 ← vgg13')['crosskd'] == '- / 75.50'


def test_short_runs_are_grouped_by_protocol_and_compared_by_seed(folder, capsys):
    for seed in range(3):
        write(folder, 'resnet20', 55.0 + seed, 54.0 + seed, seed, **SHORT)
        write(folder, 'luminet_resnet20-resnet56', 56.0 + 2 * seed, 55.0 + 2 * seed, seed, **SHORT)
        write(folder, 'kd_resnet20-resnet56', 55.5, 55.0, seed, **SHORT | dict(epochs=24))
    write(folder, 'resnet56', 60.0, 59.0, **SHORT)
    text = page(folder, capsys)
    table = rows(text, 'resnet20 ← resnet56: CIFAR-100, configs/cifar100, 10,000 images, 48 epochs, batch 64')
    assert table[''] == ['n', 'last epoch', 'vs plain', 'best epoch', 'vs plain', 'selected on']
    assert table['teacher'] == ['1', '59.00', '-', '60.00', '-', 'test set']
    assert table['plain'] == ['3', '55.00 ± 1.00', '-', '56.00 ± 1.00', '-', 'test set']
    # Differences 1, 2, 3: mean 2, half width 4.3027 / sqrt(3).
    assert table['LumiNet'][1:3] == ['57.00 ± 2.00', '+2.00 (-0.48 to +4.48)']
    assert 'KD' not in table
    assert (
        rows(text, 'resnet20 ← resnet56: CIFAR-100, configs/cifar100, 10,000 images, 24 epochs, batch 64')['KD'][2]
        == '-'
    )
    assert text.count('resnet20: ') == 0


def test_the_command_of_a_group_makes_it_again_and_names_no_place_on_this_machine(folder, capsys):
    options = {'train_dataloader.dataset.subset': [1, 2], 'train_dataloader.dataset.data_root': '/here/c'}
    for seed in (0, 4):
        path = '/there/configs/cifar100/resnet20.py' if seed else 'configs/cifar100/resnet20.py'
        write(folder, 'resnet20', 55.0, 54.0, seed, options=options, config=path, **SHORT)
    text = page(folder, capsys)
    assert (
        'for seed in 0 4; do python tools/train.py configs/cifar100/resnet20.py --seed $seed '
        '--work-dir work_dirs/resnet20_seed$seed --cfg-options '
        "'train_dataloader.dataset.subset=[1,2]'; done"
    ) in text
    assert '/here' not in text
    assert 'On 2 cores, torch 2.9.' in text


def test_runs_with_other_method_options_are_other_rows_beside_the_same_plain_student(folder, capsys):
    shared = {'param_scheduler.0.milestones': [30, 36]}
    for seed in range(2):
        write(folder, 'resnet20', 55.0, 54.0, seed, options=shared, **SHORT)
        write(folder, 'resnet20', 50.0, 40.0, seed, **SHORT)
        for tau in (1, 4):
            options = shared | {'model.distill.0.loss.tau': tau}
            write(folder, 'luminet_resnet20-resnet56', 56.0 + tau, 55.0 + tau, seed, options=options, **SHORT)
    heading = '48 epochs, batch 64, param_scheduler.0.milestones=[30, 36]'
    table = rows(page(folder, capsys), f'resnet20 ← resnet56: CIFAR-100, configs/cifar100, 10,000 images, {heading}')
    assert table['LumiNet, distill.0.loss.tau=1'][:3] == ['2', '56.00 ± 0.00', '+2.00 (n = 2)']
    assert table['LumiNet, distill.0.loss.tau=4'][2] == '+5.00 (n = 2)'


def test_a_held_out_selection_is_named_and_its_test_accuracy_given(folder, capsys):
    held = dict(train_images=45_000, selected_on='held-out part of the training set')
    test = {'best': {'accuracy/top1': 68.5}, 'last': {'accuracy/top1': 66.5}}
    write(folder, 'resnet20', 68.0, 67.0, test=test, **held)
    table = rows(page(folder, capsys), 'resnet20: CIFAR-100, configs/cifar100, 45,000 images')
    assert table[''][1::2] == [
        'last epoch', 'best epoch', 'last epoch on the test set', 'best epoch on the test set', 'selected on'
    ]  # fmt: skip
    assert table['plain'][1::2] == ['67.00', '68.00', '66.50', '68.50', 'held-out part of the training set']


def test_no_run_is_left_out(folder, capsys):
    """The page has all of them: a stopped run, a variant, an unpublished pair, a user's own network."""
    early = {kind: {'epoch': 7, 'accuracy/top1': 41.01} for kind in ('best', 'last')}
    write(folder, 'luminet_resnet8x4-resnet32x4', 41.01, 41.0, metrics=early)
    ensemble = 'configs/cifar100/ablations/luminet_wrn_16_2-wrn_40_2-resnet8x4.py'
    write(folder, 'luminet_wrn_16_2-wrn_40_2-resnet8x4', 42.02, 42.0, config=ensemble)
    write(folder, 'luminet_vgg8-resnet56', 43.03, 43.0)
    write(folder, 'my_net', 44.04, 44.0)
    write(folder, 'resnet20', 45.05, 45.0, options={'model.ce_weight': 2}, **SHORT)
    write(folder, 'kd_resnet20-resnet56', 46.06, 46.0, **SHORT)
    strong = 'configs/cifar100/strong_augmentation/luminet_vgg8-vgg13_autoaugment.py'
    write(folder, 'luminet_vgg8-vgg13_autoaugment', 47.07, 47.0, config=strong)
    write(folder, 'kd_deit_compact_32px-deit_small_32px', 48.08, 48.0, epochs=300, batch_size=256)
    text = page(folder, capsys)
    assert [value for value in (f'{n}.0{n - 40}' for n in range(41, 49)) if value not in text] == []
    assert 'LumiNet, stopped after epoch 7' in text
    assert '47.07' not in text.partition('## Short protocols')[2]


def test_imagenet_has_top_5_of_the_best_epoch_and_its_own_protocol(folder, capsys):
    write(folder, 'luminet_mobilenetv1-resnet50', 72.4, 72.3, where='imagenet')
    write(folder, 'luminet_mobilenetv2-resnet50', 73.4, 73.3, where='imagenet')
    write(folder, 'kd_mobilenetv1-resnet50', 70.4, 70.3, where='imagenet', train_images=10_000)
    text = page(folder, capsys)
    table = rows(text, 'mobilenetv1 ← resnet50')
    command = '`python tools/train.py configs/imagenet/luminet_mobilenetv1-resnet50.py`'
    assert table['LumiNet'] == ['72.55', '-', '72.40', '90.72', '72.30', '1', command]
    assert table['KD'][:3] == ['68.58 [R]', '88.98 [R]', 'not run']
    assert rows(text, 'mobilenetv2 ← resnet50')['LumiNet'][:3] == ['-', '-', '73.40']


BATCH_SIZE, TAU = 'Batch size (figure 4b): ', 'Tau (figure 4c): '
ENSEMBLE = 'Ensemble of teachers (figure 4d): '
README = ROOT / 'configs' / 'cifar100' / 'ablations' / 'README.md'


def section(text, heading):
    return text.partition(f'### {heading}')[2].partition('\n#')[0]


def swept(folder, monkeypatch, words):
    """Write the results of a sweep's command, one per point and each 1 above the previous; returns the points."""
    monkeypatch.chdir(folder)
    (folder / 'configs').exists() or (folder / 'configs').symlink_to(ROOT / 'configs')
    _, points = sweep.plan(sweep.parser().parse_args(words), [])
    name = words[0].rpartition('/')[2].removesuffix('.py')
    for point in points:
        options = {key: parse_value(value) for key, value in point.options.items()}
        batch = options.get('train_dataloader.batch_size', 64)
        best = 60.0 + len(list((folder / 'cifar100').iterdir()))
        write(folder, name, best, best, point.seed, config=words[0], batch_size=batch, options=options)
    return points


def test_the_sweeps_of_the_page_are_those_of_the_configs_readme_and_fill_its_tables(folder, capsys, monkeypatch):
    text = page(folder, capsys)
    found = [words[2:] for heading in (BATCH_SIZE, TAU) for words in commands(section(text, heading))]
    lines = README.read_text().replace('\\\n', ' ').splitlines()
    assert sorted(found) == sorted(shlex.split(line)[2:] for line in lines if line.startswith('python tools/sweep.py'))
    points = [point for words in found for point in swept(folder, monkeypatch, words)]
    assert len(points) == 3 * (3 * 4 + 8)
    text = page(folder, capsys)
    for heading in (BATCH_SIZE, TAU):
        assert 'not run' not in section(text, heading).lower()
    assert rows(text, BATCH_SIZE)['student'] == [f'? / {mean}.00 ± 1.00' for mean in (61, 64, 67, 70)]
    assert rows(text, TAU)['LumiNet'] == [f'? / {mean}.00 ± 1.00' for mean in range(97, 121, 3)]
    # The point at 64 images is also that of table 1.
    assert column(text, SAME, 'resnet8x4 ← resnet32x4')['student'] == '72.50 / 64.00 ± 1.00'
    assert '## Short protocols' not in text


def test_a_sweep_that_was_run_in_part_has_the_command_of_the_rest(folder, capsys):
    name = 'luminet_resnet8x4-resnet32x4'
    write(folder, name, 77.0, 76.0)
    write(folder, name, 76.0, 75.0, batch_size=256, options={'train_dataloader.batch_size': 256})
    tau = {'model.distill.0.loss.tau': 4, 'model.distill.0.loss.loss_weight': 1089.0}
    write(folder, name, 77.25, 76.0, seed=1, options=tau)
    write(folder, name, 77.5, 76.0, options=tau)
    text = page(folder, capsys)
    assert rows(text, BATCH_SIZE)['LumiNet'] == ['? / not run', '? / 77.00', '? / not run', '? / 76.00']
    (left,) = [words for words in commands(section(text, BATCH_SIZE)) if name in words[2]]
    assert grid(left) == ['32', '128']
    # Of the two runs with seed 0, the swept one counts.
    assert rows(text, TAU)['LumiNet'][3] == '? / 77.38 ± 0.18'
    (left,) = commands(section(text, TAU))
    assert grid(left) == ['1', '2', '3', '5', '6', '7', '8']


@pytest.mark.parametrize(
    'changes',
    [
        dict(options={'model.distill.0.loss.tau': 2}),
        dict(options={'model.distill.0.loss.tau': 2, 'model.distill.0.loss.loss_weight': 1089.0}),
        dict(batch_size=128, options={'train_dataloader.batch_size': 128, 'optim_wrapper.optimizer.lr': 0.1}),
        dict(batch_size=128, options={'train_dataloader.batch_size': 64}),
        dict(batch_size=128, epochs=120, options={'train_dataloader.batch_size': 128}),
        dict(batch_size=512, options={'train_dataloader.batch_size': 512}),
    ],
    ids=lambda changes: ','.join(f'{key}={value}' for key, value in changes['options'].items()),
)
def test_a_run_that_differs_in_more_is_no_point_of_a_sweep(folder, capsys, changes):
    write(folder, 'luminet_resnet8x4-resnet32x4', 75.01, 75.0, **changes)
    text = page(folder, capsys)
    for heading in (BATCH_SIZE, TAU):
        assert '75.01' not in section(text, heading)
    assert '75.01' in text.partition('## Short protocols')[2]


def test_a_student_of_two_teachers_stands_beside_the_one_of_one(folder, capsys):
    heading = f'{ENSEMBLE}wrn_16_2 ← wrn_40_2, and with resnet8x4'
    one, two = 'luminet_wrn_16_2-wrn_40_2', 'luminet_wrn_16_2-wrn_40_2-resnet8x4'
    table = rows(page(folder, capsys), heading)
    path = f'configs/cifar100/ablations/{two}.py'
    assert table[one][:2] == ['76.38', 'not run']
    assert table[two] == ['76.52', 'not run', 'not run', '0', '-', f'`python tools/train.py {path}`']
    options = {'model.teacher.1.checkpoint': '/here/resnet8x4.pth'}
    for seed, best in enumerate((76.25, 76.75)):
        write(folder, two, best, 76.0, seed, config=path, options=options)
    write(folder, one, 76.0, 75.5)
    text = page(folder, capsys)
    table = rows(text, heading)
    assert table[two][:5] == ['76.52', '76.50 ± 0.35', '76.00 ± 0.00', '2', 'test set']
    assert table[one][:4] == ['76.38', '76.00', '75.50', '1']
    assert column(text, SAME, 'wrn_16_2 ← wrn_40_2')['LumiNet'] == '76.38 / 76.00'
    assert '## Short protocols' not in text


def test_the_configs_readme_tells_the_published_numbers_of_the_ensemble():
    one, two = (row.figures[0] for row in cifar100.ENSEMBLE)
    assert f'| {two}; with WRN-40-2 alone {one} |' in README.read_text()
    luminet = next(row for row in cifar100.TOP1 if row.key == 'luminet')
    assert one == luminet.figures[cifar100.PAIRS.index(cifar100.ENSEMBLE_PAIR)]


@pytest.mark.parametrize('name', ['kd_wrn_16_2-wrn_40_2-resnet8x4', 'luminet_wrn_16_2-wrn_40_2'])
def test_another_config_in_the_folder_of_ablations_stands_beside_nothing(folder, capsys, name):
    write(folder, name, 91.01, 91.0, config=f'configs/cifar100/ablations/{name}.py')
    before, _, short = page(folder, capsys).partition('## Short protocols')
    assert '91.01' in short
    assert '91.01' not in before


FIGURE = 'Linear probe on other data (figure 4a)'


def test_probes_of_the_papers_pair_stand_beside_its_published_numbers(folder, capsys):
    write_probe(folder, 'luminet_wrn_16_2-wrn_40_2', [37.0, 38.0, 39.0])
    write_probe(folder, 'luminet_wrn_16_2-wrn_40_2', [73.0, 73.5], **STL)
    write_probe(folder, 'wrn_40_2', [32.0])
    write_probe(folder, 'wrn_16_2', [70.0], **STL)
    write_probe(folder, 'kd_wrn_16_2-wrn_40_2', [34.25])
    text = page(folder, capsys)
    table = rows(text, FIGURE)
    heads = ['STL-10, published', 'STL-10, measured', 'Tiny-ImageNet, published', 'Tiny-ImageNet, measured']
    assert table[''] == [*heads, 'CONFIG CHECKPOINT']
    assert table['LumiNet'][:4] == ['?', '73.25 ± 0.35', '?', '38.00 ± 1.00']
    assert table['teacher'][:4] == ['68.6 [R]', 'not run', '31.5 [R]', '32.00']
    assert table['student'][:4] == ['69.7 [R]', '70.00', '33.7 [R]', 'not run']
    assert table['KD'][3] == '34.25'
    assert {table[row][place] for row in ('DKD', 'FitNet', 'CRD') for place in (1, 3)} == {'not run'}
    assert '### Other probes' not in text


def test_networks_of_one_config_are_spread_over_their_means(folder, capsys):
    for seed, tops in enumerate(([36.0, 38.0], [39.0])):
        write_probe(folder, 'dkd_wrn_16_2-wrn_40_2', tops, checkpoint=f'work_dirs/{seed}/epoch_240.pth')
    assert rows(page(folder, capsys), FIGURE)['DKD'][3] == '38.00 ± 1.41'


@pytest.mark.parametrize(
    'change',
    [
        dict(where='cifar100_short'),
        dict(options={'model.network.depth': 22}),
        dict(protocol=dict(learning_rates=[0.1, 1.0, 5.0], epochs=5, batch_size=256, held_out=0.1)),
        dict(images=[1_000, 10_000]),
        dict(resize=64),
        dict(network='wrn_40_1'),
        dict(data='CIFAR-10', images=[50_000, 10_000]),
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_probe_of_anything_else_is_among_the_others(folder, capsys, change):
    write_probe(folder, 'wrn_16_2', [41.01], **change)
    text = page(folder, capsys)
    assert rows(text, FIGURE)['student'][:4] == ['69.7 [R]', 'not run', '33.7 [R]', 'not run']
    assert '41.01' in text.partition('### Other probes')[2].partition('\n## ')[0]


def test_other_probes_name_config_network_data_and_what_was_changed(folder, capsys):
    protocol = dict(learning_rates=[0.5], epochs=100, batch_size=256, held_out=0.1)
    options = {'model.network.depth': 22, 'model.network.weights': '/here/w.pth', 'work_dir': 'x'}
    own = dict(data='image folder', data_name='birds', images=[1_200, 300], resize=64)
    config = '/here/configs/mine/my_net.py'
    write_probe(folder, 'my_net', [51.0, 53.0], config=config, network='Net', protocol=protocol, options=options, **own)
    write_probe(folder, 'luminet_vgg8-vgg13', [30.0], **STL)
    text = page(folder, capsys)
    table = rows(text, 'Other probes')
    assert table['config'] == ['network', 'data', 'images', 'pixels', 'settings', 'n', 'top-1', 'top-5']
    settings = 'model.network.depth=22, learning_rates=[0.5]'
    assert table['configs/mine/my_net.py'] == [
        'Net', 'folder birds', '1,200 + 300', '64', settings, '1', '52.00 ± 1.41', '82.50 ± 1.41'
    ]  # fmt: skip
    assert table['configs/cifar100/luminet_vgg8-vgg13.py'][:2] == ['vgg8', 'STL-10']
    assert '/here' not in text


def test_without_probes_the_page_says_nothing_of_them(folder, capsys):
    before = page(folder, capsys)
    (folder / 'transfer').mkdir()
    assert page(folder, capsys) == before
    assert before.partition(f'## {FIGURE}')[2].partition('\n## ')[0].count('\n\n') == 2
    write_probe(folder, 'wrn_16_2', [41.0])
    assert page(folder, capsys) != before


def test_the_command_of_a_probe_writes_to_where_the_page_looks(folder, capsys):
    words = shlex.split(
        re.search(r'`python tools/linear_probe.py (.*?)`', page(folder, capsys))[1].replace('<name>', 'n')
    )
    given = linear_probe.parser().parse_args(words)
    assert given.out == str((results.RESULTS / results.PROBES / 'n.json').relative_to(ROOT))


def test_what_is_probed_is_what_the_config_leaves(folder, capsys):
    table = rows(page(folder, capsys), FIGURE)
    probed = [cells[-1].strip('`').split() for row, cells in table.items() if row.strip('-')]
    assert len(probed) == len(cifar100.TRANSFER)
    for path, weights in probed:
        assert weights == f'{work_dir(ROOT / path)}/epoch_{parsed(ROOT / path).train_cfg.max_epochs}.pth'


def test_the_file_of_a_probe_that_is_none_is_named(folder, capsys):
    good = json.loads(write_probe(folder, 'wrn_16_2', [41.0]).read_text())
    bad = {
        '{': 'is not JSON',
        '[]': 'is not the result of a linear probe: it holds a list',
        json.dumps({key: value for key, value in good.items() if key != 'seeds'}): 'it lacks seeds',
        json.dumps(good | dict(seeds=[])): 'its seeds is [], expected a list of objects with the numbers top1 and top5',
        json.dumps(good | dict(seeds=[dict(top1='41', top5=50)])): 'its seeds is',
        json.dumps(good | dict(options=None)): 'its options is None, expected an object',
        json.dumps(good): '0.json and',
    }
    for text, hint in bad.items():
        (folder / 'transfer' / 'x.json').write_text(text)
        with pytest.raises(SystemExit, match='2'):
            results.main(['--results', str(folder)])
        said = capsys.readouterr().err
        assert 'x.json' in said
        assert hint in said


def test_two_results_of_the_same_run_are_refused(folder, capsys):
    write(folder, 'resnet20', 69.0, 68.0)
    write(folder, 'resnet20', 69.5, 68.5)
    with pytest.raises(SystemExit, match='2'):
        results.main(['--results', str(folder)])
    assert 'results of the same config, images, epochs, options and seed 0; remove one' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('text', 'hint'),
    [('{', 'is not JSON'), ('[]', 'holds a list'), ('{"config": "a"}', 'it lacks name, dataset')],
)
def test_a_file_that_is_no_result_is_named(folder, text, hint):
    (folder / 'cifar100' / 'x.json').write_text(text)
    with pytest.raises(ValueError, match=rf'x\.json .*{hint}'):
        load_runs([folder / 'cifar100'])


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        *(('metrics', value) for value in (None, [1], {'best': {}})),
        ('metrics', {kind: {'epoch': 1, 'accuracy/top1': 'high'} for kind in ('best', 'last')}),
        ('metrics', {kind: {'epoch': 1, 'accuracy/top1': float('nan')} for kind in ('best', 'last')}),
        ('options', None),
        ('config', None),
        ('name', None),
        ('epochs', '15'),
        ('seed', True),
        ('test', {'best': {'accuracy/top1': None}}),
    ],
)
def test_a_key_of_a_result_that_holds_something_else_is_named(folder, capsys, key, value):
    path = write(folder, 'resnet20', 69.0, 68.0)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(SystemExit, match='2'):
        results.main(['--results', str(folder)])
    assert f'{path} is not the result of a run: its {key} is ' in capsys.readouterr().err


def test_check_fails_until_the_page_is_written(folder, capsys):
    path = write(folder, 'resnet20', 69.0, 68.0)
    argv = ['--results', str(folder)]
    assert results.main([*argv, '--check']) == 1
    assert 'run python tools/results.py --write' in capsys.readouterr().err
    assert results.main([*argv, '--write']) == 0
    assert results.main([*argv, '--check']) == 0
    path.unlink()
    assert results.main([*argv, '--check']) == 1


def test_the_page_in_the_repository_is_what_the_results_give():
    assert results.main(['--check']) == 0


def test_the_page_does_not_depend_on_the_names_of_the_files(folder, tmp_path, capsys):
    write(folder, 'resnet20', 69.0, 68.0)
    write(folder, 'kd_resnet20-resnet56', 70.0, 69.5, **SHORT)
    before = page(folder, capsys)
    files = sorted((folder / 'cifar100').glob('*.json'))
    shutil.move(files[0], folder / 'cifar100' / 'zz.json')
    assert page(folder, capsys) == before
