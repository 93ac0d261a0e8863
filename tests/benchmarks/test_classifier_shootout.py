"""The classifiers' shoot-out trains each published recipe with smaller networks, fewer epochs and scaled weights."""

import itertools
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch.nn import BatchNorm2d

from benchmarks.classifier_shootout import run
from benchmarks.classifier_shootout.settings import (
    ASSISTANT,
    CHAIN,
    CONFIGS,
    DROPS,
    EPOCHS,
    HELD_OUT,
    IMAGES,
    PAIR,
    PIXELS,
    PLAIN,
    TEACHER_WEIGHTS,
    TOGETHER,
    UNPUBLISHED,
    USED,
    Setting,
    Teacher,
    methods,
    shorter,
    stock,
    tries,
)
from benchmarks.classifier_shootout.tables import CLASSIFIERS
from benchmarks.study import found, queue, setting
from benchmarks.study.kept import weights_digest
from benchmarks.study.shootout import FACTORS
from luminet_det.classification.data.subset import stratified
from luminet_det.classification.data.transform_settings import views_of
from luminet_det.distillation.loss_setting import build_loss
from luminet_det.registry import MODELS

METHODS = methods()
ALONE = [name for name in METHODS if name not in TOGETHER]


def without(config, *keys):
    flat = config.to_dict()
    for key in keys:
        *path, last = key.split('.')
        inner = flat
        for part in path:
            inner = inner[part]
        inner.pop(last, None)
    return flat


@pytest.mark.parametrize('method', [PLAIN, *ALONE])
def test_a_try_is_the_published_config_for_a_shorter_time_with_its_weights_times_the_factor(method):
    published, tried = stock(method), Setting(method, 4).build()
    for own, other in zip(tried.model.get('distill', []), published.model.get('distill', []), strict=True):
        assert own.loss.loss_weight == pytest.approx(4 * build_loss(other.loss).loss_weight)
        assert own.get('warmup') == (shorter(other.warmup) if 'warmup' in other else None)
        for term in (own, other):
            term.pop('warmup', None)
            for key in ('loss_weight', 'num_samples', 'num_negatives', 'feature_warmup'):
                term.loss.pop(key, None)
    changed = (
        'model.network.type',
        'train_dataloader.dataset.fraction',
        'train_dataloader.dataset.transforms',
        'val_dataloader.dataset.transforms',
        'test_dataloader.dataset.transforms',
        'train_cfg',
        'param_scheduler.milestones',
        'default_hooks.checkpoint',
        'custom_hooks',
    )
    heard = ('model.teacher.config', 'model.teacher.checkpoint') if method != PLAIN else ()
    assert without(tried, *changed, *heard) == without(published, *changed, *heard)
    assert (tried.train_cfg.max_epochs, tried.param_scheduler.milestones) == (EPOCHS, DROPS)


@pytest.mark.parametrize('method', [PLAIN, *METHODS, ASSISTANT])
def test_the_networks_are_smaller_ones_with_the_widths_of_those_that_they_stand_for(method):
    published, tried = stock(method.partition('+')[0]).model, Setting(method).build().model
    standing = {tried.network.type: published.network}
    if method != PLAIN:
        standing[tried.teacher.config.network.type] = Config.fromfile(published.teacher.config).model.network
    for smaller, network in standing.items():
        own, other = (MODELS.build(dict(type=kind, num_classes=100)) for kind in (smaller, network.type))
        assert widths(own) == widths(other)
        assert sum(p.numel() for p in own.parameters()) < 0.7 * sum(p.numel() for p in other.parameters())


def widths(network):
    return [*dict.fromkeys(module.num_features for module in network.modules() if isinstance(module, BatchNorm2d))]


@pytest.mark.parametrize('method', [PLAIN, 'kd', 'mlld'])
def test_images_of_every_set_are_half_as_large_whatever_else_changes_them(method):
    tried, published = Setting(method).build(), stock(method)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        views, before = (views_of(config[loader].dataset.get('transforms')) for config in (tried, published))
        assert [view[:-1] for view in views] == before
        assert {(view[-1].type, view[-1].size) for view in views} == {('Resize', PIXELS)}


def test_the_teacher_ends_where_students_look_for_it():
    config = Teacher().build()
    assert Path(TEACHER_WEIGHTS).name == f'epoch_{config.train_cfg.max_epochs}.pth'
    assert config.model.network.type == Setting('kd').build().model.teacher.config.network.type
    assert 'fraction' not in config.train_dataloader.dataset


def test_every_method_of_the_pair_is_in_with_as_many_first_tries():
    configs = {path.stem.partition('_resnet20-')[0] for path in (CONFIGS / 'cifar100').rglob(f'*_{PAIR}.py')}
    assert {*METHODS} == configs | {*UNPUBLISHED, *TOGETHER}
    names = [setting.name for method in METHODS for setting in tries(method)]
    assert len({*names}) == len(names) == len(METHODS) * len(FACTORS)


def test_the_chain_ends_in_a_student_of_the_assistant_that_the_teacher_has_taught():
    assistant, student = Setting(ASSISTANT).build(), Setting(CHAIN).build()
    assert assistant.model.teacher.checkpoint == Setting('kd').build().model.teacher.checkpoint
    assert student.model.teacher.checkpoint == f'work_dirs/classifier_shootout/{ASSISTANT}_times-1-0/epoch_{EPOCHS}.pth'
    assert student.model.teacher.config.network == assistant.model.network


@pytest.mark.parametrize('method', TOGETHER)
def test_two_together_have_the_terms_and_hooks_of_both(method):
    first, second = method.split('+')
    both = [term.loss.type for term in Setting(method).build().model.distill]
    assert both == [term.loss.type for one in (first, second) for term in stock(one).model.distill]
    hooks = {hook.type for hook in Setting(method).build().custom_hooks}
    assert hooks == {hook.type for one in (first, second) for hook in Setting(one).build().custom_hooks}


def test_crd_remembers_the_images_of_the_part_and_draws_as_large_a_share_of_them():
    (term,) = Setting('crd').build().model.distill
    labels = [label for label in range(100) for _ in range(500)]
    assert term.loss.num_samples == len(stratified(labels, USED, HELD_OUT)) == IMAGES
    assert term.loss.num_negatives / IMAGES == pytest.approx(16384 / 50000, abs=1e-4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(setting, 'RESULTS', tmp_path / 'results')
    monkeypatch.setattr(found, 'RESULTS', tmp_path / 'results')
    monkeypatch.chdir(tmp_path)
    weights = Path(TEACHER_WEIGHTS)
    weights.parent.mkdir(parents=True)
    torch.save(dict(state_dict=dict(weight=torch.ones(2))), weights)
    found.forget()
    weights_digest.cache_clear()
    yield tmp_path
    found.forget()
    weights_digest.cache_clear()


def came_out():
    return torch.ones(2)


@pytest.fixture
def trained(folder, monkeypatch):
    """The faked trainings; top-1 is 30% on held-out images, and 40% plus 10 points times the seed on test images."""
    calls = []

    def train(command, **_):
        if command[0] == 'git':
            return SimpleNamespace(stdout='abc')
        config = Config.fromfile(command[2])
        options = dict(itertools.pairwise(command))
        calls.append((config, options))
        seed = int(options['--seed'])
        held, test = {'accuracy/top1': 30.0, 'accuracy/top5': 60.0}, {'accuracy/top1': 40.0 + 10 * seed}
        content = dict(
            train_images=IMAGES, epochs=EPOCHS, iterations=9, batch_size=64, seconds=1.0, versions={}, hardware='CPU'
        )
        content |= dict(
            history=[held], metrics=dict(last=held, best=held), test=dict(last=test | {'accuracy/top5': 70})
        )
        with open(f'{options["--work-dir"]}/result.json', 'w') as file:
            json.dump(content, file)
        torch.save(dict(state_dict=dict(weight=came_out())), f'{options["--work-dir"]}/{Path(TEACHER_WEIGHTS).name}')
        return None

    monkeypatch.setattr(subprocess, 'run', train)
    monkeypatch.setattr(run, 'data_fingerprint', lambda: 'of these images')
    return calls


def test_a_run_is_scored_on_the_images_held_out_to_choose_by_and_on_the_test_images(trained, folder):
    content = run.finish(Setting('kd', 4), 1)
    ((config, options),) = trained
    assert (options['--val-split'], options['--seed']) == (str(HELD_OUT), '1')
    assert config.model.distill[0].loss.loss_weight == pytest.approx(3.6)
    assert content['scores'] == dict(tune=dict(top1=0.3, top5=0.6), report=dict(top1=0.5, top5=0.7))
    assert found.values(Setting('kd', 4)) == {1: pytest.approx(50)}
    assert run.finish(Setting('kd', 4), 1) == content
    assert len(trained) == 1
    assert str(folder) not in json.dumps(content)


def test_the_teacher_has_no_score_to_choose_by_since_it_has_seen_the_held_out_images(trained):
    assert run.finish(Teacher(), 0)['scores'].keys() == {'report'}


def test_what_failed_does_not_keep_the_others_from_being_trained(trained, monkeypatch):
    wanted = [(Setting('kd'), 0), (Setting('at'), 0)]
    train = run.train

    def full(path, *rest):
        if 'kd' in path.name:
            raise OSError('full')
        return train(path, *rest)

    monkeypatch.setattr(run, 'train', full)
    with pytest.raises(SystemExit, match='kd_times-1 0: full'):
        queue.work_off(queue.missing(wanted), run.finish, 1)
    assert queue.missing(wanted) == wanted[:1]


def test_a_result_of_other_options_is_not_counted(trained, monkeypatch):
    run.finish(Setting('kd', 4), 1)
    path = setting.result_file(Setting('kd', 4), 1)
    path.write_text(path.read_text().replace('"tau": 4.0', '"tau": 2.0'))
    with pytest.raises(
        RuntimeError, match=r"kd_times-4-1.json is from a run with distill=.*'tau': 2.0.* delete the file"
    ):
        run.finish(Setting('kd', 4), 1)


def test_a_result_of_another_teacher_is_not_counted(trained, folder):
    wanted = [(Setting('kd', 4), 1), (Setting(PLAIN), 1)]
    queue.work_off(wanted, run.finish, 1)
    assert queue.missing(wanted, run.kept) == []
    weights_digest.cache_clear()
    torch.save(dict(state_dict=dict(weight=torch.zeros(2))), Path(TEACHER_WEIGHTS))
    with pytest.raises(RuntimeError, match='kd_times-4-1.json is from a run with teacher='):
        queue.missing(wanted, run.kept)


def test_a_teacher_whose_result_came_without_its_weights_is_trained(trained, folder):
    run.finish(Teacher(), 0)
    run.ready(Teacher())
    assert len(trained) == 1
    forget_weights()
    run.ready(Teacher())
    assert len(trained) == 2


def forget_weights():
    weights = Path(TEACHER_WEIGHTS)
    weights.unlink()
    weights.with_name('result.json').unlink()
    weights_digest.cache_clear()


def test_a_teacher_that_comes_out_otherwise_than_the_one_of_the_results_is_refused(trained, folder, monkeypatch):
    run.ready(Teacher())
    file = setting.result_file(Teacher(), 0)
    result = file.read_text()
    assert json.loads(result)['weights'] == weights_digest(Path(TEACHER_WEIGHTS))
    forget_weights()
    monkeypatch.setitem(globals(), 'came_out', lambda: torch.zeros(2))
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r'has other weights than the teacher of resnet20-0\.json'):
            run.ready(Teacher())
        assert file.read_text() == result
    forget_weights()
    monkeypatch.setitem(globals(), 'came_out', lambda: torch.ones(2))
    run.ready(Teacher())
    assert file.read_text() == result


def test_the_table_has_what_won_first_on_seeds_that_it_was_not_chosen_by(trained):
    for seed in range(4):
        run.finish(Setting(PLAIN), seed)
    for factor in (0.25, 1, 4):
        run.finish(Setting('crd', factor), 0)
        run.finish(Setting('kd', factor), 0)
    for seed in (1, 2, 3):
        run.finish(Setting('crd', 0.25), seed)
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in CLASSIFIERS.results().splitlines()[2:4]]
    assert rows[0][:4] == ['CRD', '0.25', '3', '60.00 ± 10.00']
    assert rows[1][:4] == ['KD', '0.25', '0', 'not run']
    assert rows[0][-1] == f'{CLASSIFIERS.cost["crd"]:.2f}'


def test_a_result_of_other_images_is_not_counted(trained, monkeypatch):
    run.finish(Setting('kd', 4), 1)
    monkeypatch.setattr(run, 'data_fingerprint', lambda: 'of others')
    with pytest.raises(RuntimeError, match=r"kd_times-4-1.json is from a run with data='of these images'"):
        run.finish(Setting('kd', 4), 1)


def test_the_fingerprint_is_of_every_pixel_and_label(folder):
    (folder / 'data' / 'cifar100').mkdir(parents=True)
    images, labels = np.zeros((100, 32, 32, 3), np.uint8), np.arange(100)

    def fingerprint(**changed):
        arrays = dict(train_images=images, train_labels=labels, test_images=images, test_labels=labels) | changed
        np.savez(folder / 'data' / 'cifar100' / 'cifar100.npz', **arrays)
        run.data_fingerprint.cache_clear()
        return run.data_fingerprint()

    other = images.copy()
    other[7, 1, 2, 0] = 1
    found = fingerprint()
    assert found == fingerprint() != fingerprint(test_images=other) != fingerprint(train_images=other)
    assert found != fingerprint(train_labels=labels[::-1].copy())
    run.data_fingerprint.cache_clear()


def test_methods_of_more_seeds_are_ranked_by_those_that_all_have(trained):
    for factor in (0.25, 1, 4):
        for name in ('crd', 'kd'):
            run.finish(Setting(name, factor), 0)
    # Later seeds score higher: over all its seeds KD has 75, but on the two that both have, no more than CRD.
    for seed in (1, 2):
        run.finish(Setting('crd', 0.25), seed)
    for seed in (1, 2, 3, 4, 5, 6):
        run.finish(Setting('kd', 0.25), seed)
    text = CLASSIFIERS.results('kd', 'crd')
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in text.splitlines() if line.startswith('|')]
    assert rows[0][2:5] == ['seeds', 'top-1', 'top-1, seeds 1, 2']
    assert {row[0]: row[2:5] for row in rows[2:]} == {
        'KD': ['6', '75.00 ± 18.71', '55.00 ± 7.07'],
        'CRD': ['2', '55.00 ± 7.07', '55.00 ± 7.07'],
    }
    assert CLASSIFIERS.score('kd') == CLASSIFIERS.score('crd') == '55.00 ± 7.07'


def test_fcfds_own_ramp_is_in_proportion_too():
    published, tried = (config.model.distill[-1].loss for config in (stock('fcfd'), Setting('fcfd').build()))
    assert [build_loss(loss).feature_warmup for loss in (published, tried)] == [20, 1]


def test_a_result_of_another_recipe_is_not_counted(trained, monkeypatch):
    run.finish(Setting('kd', 4), 1)
    monkeypatch.setitem(run.recipe.__globals__, 'recipe', lambda config: dict(rate=0.5))
    with pytest.raises(RuntimeError, match=r'kd_times-4-1.json is from a run with rate=0\.05'):
        run.finish(Setting('kd', 4), 1)
