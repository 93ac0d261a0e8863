"""tools/linear_probe.py: freezes the network, computes embeddings once, and chooses nothing on the test set."""

import json
import shutil
import sys
from functools import partial

import pytest
import torch
from mmengine.config import Config
from torch.nn.functional import cross_entropy

from luminet_det.classification.analysis import load_trained
from luminet_det.classification.data import ImageFolder
from luminet_det.classification.probe import (
    Embedded,
    EmbeddingCache,
    Protocol,
    embed,
    fit,
    probe,
    target,
    training_size,
)
from luminet_det.classification.probe.cache import embedding_key
from luminet_det.published.probe import accuracy, load_probes
from tests.classification import small
from tests.classification.data import written
from tools import linear_probe

QUICK = ['--epochs', '5', '--seeds', '2']


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return small.runner_config(tmp_path_factory.mktemp('config'), small.setting())


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return small.save_teacher(tmp_path_factory.mktemp('weights') / 'w.pth', small.setting())['checkpoint']


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """An image folder: 48 x 48 pixels, other classes than the network's."""
    root = tmp_path_factory.mktemp('folder')
    for split, each in (('train', 10), ('val', 4)):
        written.tree(root / split, each=each, side=48)
    return root


@pytest.fixture
def classifier(config, checkpoint):
    return load_trained(Config.fromfile(config), checkpoint).model


def clouds(each=40, seed=0):
    """Three well-separated clouds of points, one per class."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(3).repeat(each)
    return Embedded(torch.randn(3 * each, 5, generator=draw) + 6 * torch.eye(3, 5)[labels], labels)


def run(config, checkpoint, folder, work, *argv):
    out = work / 'probe.json'
    words = [config, checkpoint, '--data', folder, '--cache', work / 'cache', '--out', out, *QUICK, *argv]
    assert linear_probe.main([str(word) for word in words]) == 0
    return json.loads(out.read_text())


def refused(capsys, *argv):
    with pytest.raises(SystemExit, match='2'):
        linear_probe.main([str(word) for word in argv])
    return capsys.readouterr().err


def test_the_network_is_frozen_and_its_batch_norm_does_not_move(classifier, folder):
    images = ImageFolder(str(folder), resize=32)
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    classifier.train()
    found = embed(classifier, images, batch_size=7)
    assert not classifier.training
    assert all(torch.equal(value, before[key]) for key, value in classifier.state_dict().items())
    batch = dict(inputs=torch.stack([images[i]['inputs'] for i in range(len(images))]), labels=images.labels)
    inputs = classifier.data_preprocessor(batch, False)['inputs']
    torch.testing.assert_close(found.embeddings, classifier(inputs).embedding.detach())
    assert torch.equal(found.labels, images.labels)


def test_layers_of_many_learning_rates_are_those_that_torch_trains_one_by_one():
    given, rates = clouds(), [0.05, 0.5, 2.0]
    together = fit(*given, 3, rates, epochs=3, batch_size=32, seed=4)
    for i, rate in enumerate(rates):
        draw = torch.Generator().manual_seed(4)
        layer = torch.nn.Linear(5, 3)
        layer.weight.data = (0.01 * torch.randn(5, 3, generator=draw)).T.contiguous()
        layer.bias.data.zero_()
        optimizer = torch.optim.SGD(layer.parameters(), lr=rate, momentum=0.9, weight_decay=0)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3 * 4)
        for _ in range(3):
            for rows in torch.randperm(120, generator=draw).split(32):
                optimizer.zero_grad()
                cross_entropy(layer(given.embeddings[rows]), given.labels[rows]).backward()
                optimizer.step()
                schedule.step()
        torch.testing.assert_close(together.weight[i], layer.weight.detach().T, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.bias[i, 0], layer.bias.detach(), rtol=1e-4, atol=1e-5)


def test_classes_that_a_line_can_part_are_parted():
    found = probe(clouds(), clouds(seed=1), 3, Protocol(epochs=20), seeds=1)
    assert found[0].top1 > 97
    assert found[0].top5 == 100


def test_nothing_is_chosen_on_the_test_set():
    hard = Embedded(clouds().embeddings / 20, clouds().labels)
    protocol = Protocol(epochs=5, batch_size=16)
    test = clouds(seed=1)
    shuffled = Embedded(test.embeddings, (test.labels + 1) % 3)
    one, other = (probe(hard, each, 3, protocol) for each in (test, shuffled))
    assert [seed.top1 for seed in one] != [seed.top1 for seed in other]
    assert [seed[:3] for seed in one] == [seed[:3] for seed in other]
    for seed in one:
        assert seed.held_out[f'{seed.learning_rate:g}'] == max(seed.held_out.values())


def test_a_learning_rate_that_diverges_is_not_chosen():
    found = probe(clouds(), clouds(seed=1), 3, Protocol((0.1, 1e38), epochs=5), seeds=1)
    assert found[0].learning_rate == 0.1
    with pytest.raises(ValueError, match='diverged with learning rate 1e\\+38. Give smaller ones: --lrs'):
        probe(clouds(), clouds(seed=1), 3, Protocol((1e38,), epochs=5), seeds=1)


def test_seeds_differ_and_each_is_repeatable():
    hard = Embedded(clouds().embeddings / 20, clouds().labels)
    first, again = (probe(hard, hard, 3, Protocol((0.1,), epochs=1, batch_size=16), seeds=3) for _ in range(2))
    assert first == again
    layers = [fit(*hard, 3, [0.1], 1, 16, seed).weight for seed in (0, 1)]
    assert not torch.equal(*layers)


def test_each_seed_holds_out_images_of_its_own(monkeypatch):
    module, held_out = sys.modules[probe.__module__], []
    draw = module.stratified

    def noted(*args, part, **settings):
        rows = draw(*args, part=part, **settings)
        if part == 'held-out':
            held_out.append(set(rows.tolist()))
        return rows

    monkeypatch.setattr(module, 'stratified', noted)
    probe(clouds(), clouds(seed=1), 3, Protocol((0.1, 1.0), epochs=1), seeds=2)
    assert held_out[0] != held_out[1]


def test_a_second_run_takes_the_embeddings_of_the_first(config, checkpoint, folder, tmp_path, capsys):
    first = run(config, checkpoint, folder, tmp_path)
    said = capsys.readouterr().out
    assert said.count('computed in') == 2
    assert 'train: 30 embeddings of 8' in said
    second = run(config, checkpoint, folder, tmp_path)
    assert capsys.readouterr().out.count('kept from an earlier run') == 2
    assert first['seeds'] == second['seeds']


def test_what_skipping_has_left_out_is_not_left_out_where_it_shall_stop(config, checkpoint, folder, tmp_path, capsys):
    copied = shutil.copytree(folder, tmp_path / 'copied')
    (copied / 'train' / next((copied / 'train').iterdir()).name / 'gone.png').symlink_to(tmp_path / 'nowhere.png')
    found = run(config, checkpoint, copied, tmp_path, '--on-error', 'skip')
    assert found['images'] == [30, 12]
    words = [config, checkpoint, '--data', copied, '--cache', tmp_path / 'cache', *QUICK]
    assert 'gone.png cannot be read' in refused(capsys, *words)


def test_the_result_names_all_that_is_needed_to_do_it_again(config, checkpoint, folder, tmp_path, capsys):
    found = run(config, checkpoint, folder, tmp_path, '--lrs', 0.5, 0.1, '--no-cache')
    assert not (tmp_path / 'cache').exists()
    assert (found['splits'], found['images'], found['resize'], found['embedding']) == (
        ['train', 'val'],
        [30, 12],
        32,
        8,
    )
    assert found['protocol'] == dict(learning_rates=[0.5, 0.1], epochs=5, batch_size=256, held_out=0.1)
    tops = [seed['top1'] for seed in found['seeds']]
    assert found['top1']['mean'] == pytest.approx(sum(tops) / 2, abs=1e-3)
    assert found['top1']['sd'] == pytest.approx(abs(tops[0] - tops[1]) / 2**0.5, abs=1e-3)
    said = capsys.readouterr().out
    assert f'top-1 {found["top1"]["mean"]:.2f} ± {found["top1"]["sd"]:.2f}' in said
    assert 'mean ± sample sd of 2 seeds' in said


def test_the_result_says_what_was_probed_by_names_and_paths_as_given(config, checkpoint, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(config, 'dkd_wrn_16_2-wrn_40_2_mine.py')
    shutil.copy(checkpoint, 'w.pth')
    (tmp_path / 'birds').symlink_to(folder)
    words = ['dkd_wrn_16_2-wrn_40_2_mine.py', 'w.pth', '--data', 'birds', '--no-cache', *QUICK]
    assert linear_probe.main([*words, '--cfg-options', 'model.ce_weight=0.5']) == 0
    (written,) = (tmp_path / 'work_dirs' / 'linear_probe').iterdir()
    found = json.loads(written.read_text())
    named = [found[key] for key in ('config', 'name', 'checkpoint', 'network', 'data')]
    assert named == [words[0], words[0][:-3], 'w.pth', 'SmallNet', 'image folder']
    said = [found[key] for key in ('method', 'student', 'teacher', 'variant')]
    assert said == ['dkd', 'wrn_16_2', 'wrn_40_2', 'mine']
    assert found['options'] == {'model.ce_weight': 0.5}
    assert '"/' not in written.read_text()


def test_tools_results_reads_what_is_written(config, checkpoint, folder, tmp_path):
    run(config, checkpoint, folder, tmp_path)
    (probed,) = load_probes(tmp_path)
    assert (probed.name, probed.full) == (None, False)
    assert probed.changed == ('epochs=5',)
    assert accuracy([probed]).startswith(f'{probed["top1"]["mean"]:.2f}')


def test_one_seed_has_no_deviation(config, checkpoint, folder, tmp_path, capsys):
    assert run(config, checkpoint, folder, tmp_path, '--seeds', 1)['top1']['sd'] is None
    assert '(one seed)' in capsys.readouterr().out


def test_embeddings_of_other_weights_sizes_pixels_or_statistics_have_another_key(classifier, folder, tmp_path):
    images = ImageFolder(str(folder), resize=32)
    keys = [embedding_key(classifier, images)]
    assert embedding_key(classifier, ImageFolder(str(folder), resize=32)) == keys[0]
    keys.append(embedding_key(classifier, ImageFolder(str(folder), resize=16)))
    keys.append(embedding_key(classifier, ImageFolder(str(folder), 'val', resize=32)))
    keys.append(embedding_key(classifier, ImageFolder(str(folder), resize=32, fraction=0.5)))
    copied = written.tree(tmp_path / 'train', each=10, side=48).parent
    keys.append(embedding_key(classifier, ImageFolder(str(copied), resize=32)))
    written.tree(copied / 'train', each=10, side=47)
    keys.append(embedding_key(classifier, ImageFolder(str(copied), resize=32)))
    classifier.network.bn1.running_mean += 1
    keys.append(embedding_key(classifier, images))
    classifier.data_preprocessor.mean += 1
    keys.append(embedding_key(classifier, images))
    assert len(set(keys)) == len(keys) == 8


def test_a_file_that_was_cut_off_is_made_anew(tmp_path):
    cache = EmbeddingCache(tmp_path)
    cache.get(lambda: 'key', clouds)
    written.truncate(tmp_path / 'key.pt')
    found, kept = cache.get(lambda: 'key', clouds)
    assert not kept
    assert torch.equal(found.embeddings, cache.get(lambda: 'key', None)[0].embeddings)


def test_images_are_brought_to_the_size_of_the_training(config, folder):
    cfg = Config.fromfile(config)
    assert training_size(cfg) == 32
    found = target(cfg, str(folder), None, 32)
    assert found.train[0]['inputs'].shape == found.test[0]['inputs'].shape == (3, 32, 32)
    cfg.train_dataloader.dataset.transforms = [[dict(type='RandomResizedCrop', size=[24, 24])], []]
    assert training_size(cfg) == 24
    cfg.train_dataloader.dataset.update(transforms=[dict(type='RandomHorizontalFlip')], resize=20)
    assert training_size(cfg) == 20
    cfg.train_dataloader.dataset.pop('resize')
    with pytest.raises(ValueError, match='does not say how large its training images are.*Give --resize'):
        training_size(cfg)


def test_the_config_may_name_the_data(config, checkpoint, folder, tmp_path):
    words = [config, checkpoint, '--cache', tmp_path, '--out', tmp_path / 'p.json', *QUICK, '--cfg-options']
    for part, split in (('train', 'train'), ('test', 'val')):
        words += [f'probe.{part}.type=luminet_det.ImageFolder', f'probe.{part}.data_root={folder}']
        words += [f'probe.{part}.split={split}', f'probe.{part}.resize=16']
    assert linear_probe.main([str(word) for word in words]) == 0
    found = json.loads((tmp_path / 'p.json').read_text())
    assert (found['images'], found['resize']) == ([30, 12], 16)


def test_a_network_without_an_embedding_is_refused(classifier, folder):
    classifier.network.forward = lambda x: x.mean((2, 3))
    with pytest.raises(ValueError, match='SmallNet returns only logits, but a linear probe needs the embedding'):
        embed(classifier, ImageFolder(str(folder), resize=32))


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        ([], 'There is nothing to probe on. Give --data tiny-imagenet, stl10'),
        (['--data', 'nowhere'], '--data nowhere is neither a folder nor one of tiny-imagenet'),
        (['--data', 'tiny-imagenet', '--data-root', 'gone'], "Tiny-ImageNet is not at data_root='gone'"),
        (['--data', 'stl10', '--data-root', 'gone'], 'If it is elsewhere: --data-root <its folder>.'),
        (['--data', '{folder}', '--data-root', 'gone'], '--data-root is for tiny-imagenet'),
        (['--data', '{folder}', '--lrs', '-1'], '--lrs [-1.0]: expected one number above 0'),
        (['--data', '{folder}', '--epochs', '0'], '--epochs 0'),
        (['--data', '{folder}', '--held-out', '1'], '--held-out 1: expected a share'),
        (['--data', '{folder}', '--seeds', '0'], '--seeds 0: at least 1 is needed'),
        (['--data', '{folder}', '--cfg-options', 'probe.test.resize=8'], 'so do the options probe....: remove one'),
    ],
)
def test_a_wrong_word_is_named(config, checkpoint, folder, capsys, argv, message):
    assert message in refused(capsys, config, checkpoint, *(word.format(folder=folder) for word in argv))


@pytest.mark.parametrize('name', ['0.png', '3.png'])
def test_an_unreadable_image_stops_the_probe_or_is_left_out(
    config, checkpoint, folder, tmp_path, capsys, monkeypatch, name
):
    root = shutil.copytree(folder, tmp_path / 'images')
    broken = written.truncate(root / 'val' / 'cat' / name)
    words = [config, checkpoint, '--data', root, '--cache', tmp_path / 'cache', *QUICK]
    assert f'{broken} cannot be read' in (message := refused(capsys, *words))
    assert '--on-error skip' in message
    monkeypatch.setattr(linear_probe, 'embed', partial(embed, batch_size=11))
    assert run(config, checkpoint, root, tmp_path, '--on-error', 'skip')['images'] == [30, 11]


def test_tiny_imagenets_own_layout_is_told_from_an_image_folder(config, checkpoint, folder, tmp_path, capsys):
    root = shutil.copytree(folder, tmp_path / 'tiny')
    (root / 'val' / 'val_annotations.txt').touch()
    message = f'write --data tiny-imagenet --data-root {root}'
    assert message in refused(capsys, config, checkpoint, '--data', root)


def test_the_checkpoint_of_another_network_is_refused(config, folder, tmp_path, capsys):
    wide = small.save_teacher(tmp_path / 'w.pth', small.setting(width=12))['checkpoint']
    assert 'builds SmallNet with 4 classes (model.network)' in refused(capsys, config, wide, '--data', folder)
