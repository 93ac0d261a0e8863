"""A run that is resumed in another folder than the one it began in."""

import shutil
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.hooks import CheckpointHook

from luminet_det.moved_run import own_last_checkpoint, take_best_along


@pytest.fixture
def began(tmp_path):
    folder = tmp_path / 'began'
    folder.mkdir()
    for name in ('iter_4.pth', 'best_AP_iter_2.pth'):
        (folder / name).write_text(name)
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_4.pth'))
    return folder


def last(folder, **checkpoint):
    return own_last_checkpoint(Config(dict(work_dir=str(folder), default_hooks=dict(checkpoint=checkpoint))))


@pytest.mark.parametrize('takes_away', [shutil.copytree, shutil.move])
def test_a_folder_elsewhere_has_its_own_last_checkpoint(began, tmp_path, takes_away, monkeypatch):
    assert last(began) is None
    takes_away(began, tmp_path / 'here')
    monkeypatch.chdir(tmp_path)
    assert last('here') == str(tmp_path / 'here' / 'iter_4.pth')
    assert last('here', out_dir='elsewhere') is None
    switched_off = Config(dict(work_dir='here', default_hooks=dict(checkpoint=None)))
    assert own_last_checkpoint(switched_off) == str(tmp_path / 'here' / 'iter_4.pth')


def test_what_is_not_there_is_left_to_mmengine(began, tmp_path):
    (tmp_path / 'empty').mkdir()
    assert last(tmp_path / 'empty') is None
    shutil.copy(began / 'last_checkpoint', tmp_path / 'empty')
    assert last(tmp_path / 'empty') is None


def best_after(folder, named, out_dir=None):
    checkpoint = dict(message_hub=dict(runtime_info=dict(best_ckpt=str(named), best_score=0.5)))
    take_best_along(SimpleNamespace(work_dir=str(folder), hooks=[CheckpointHook(out_dir=out_dir)]), checkpoint)
    info = checkpoint['message_hub']['runtime_info']
    assert ('best_score' in info) == ('best_ckpt' in info)
    return info.get('best_ckpt')


def test_the_best_checkpoint_comes_along(began, tmp_path):
    best, here = began / 'best_AP_iter_2.pth', tmp_path / 'here'
    assert best_after(began, best) == str(best)
    here.mkdir()
    assert best_after(here, best) == str(here / best.name)
    assert (here / best.name).read_text() == best.read_text()
    best.unlink()
    assert best_after(here, best) == str(here / best.name)


def test_a_best_checkpoint_that_is_nowhere_is_forgotten_and_one_that_is_saved_elsewhere_stays(began, tmp_path):
    assert best_after(tmp_path, tmp_path / 'gone' / 'best.pth') is None
    assert best_after(tmp_path, began / 'best_AP_iter_2.pth', out_dir='elsewhere') == str(began / 'best_AP_iter_2.pth')
    take_best_along(SimpleNamespace(work_dir=str(tmp_path), hooks=[]), {})
