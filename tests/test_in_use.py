"""One training at a time can use a folder, which is free again once that training has ended, however it ended."""

import errno
import multiprocessing
import os
import re
import signal
import time
from contextlib import nullcontext

import pytest

from luminet_det import in_use
from luminet_det.in_use import claimed
from tests import runs, tiny
from tools import sweep, train, train_chain

CHILD = 10  # seconds that the forked child lives
FORK = multiprocessing.get_context('fork')


def hold(folder, fork, ready):
    with claimed(folder):
        if fork:
            FORK.Process(target=time.sleep, args=(CHILD,)).start()
        ready.send(None)
        time.sleep(60)


@pytest.fixture(params=[False, True], ids=['alone', 'with a forked child'])
def holder(request, tmp_path):
    """A process that has claimed the folder, until it is killed; its child, if any, lives on for a while."""
    ready, theirs = FORK.Pipe()
    process = FORK.Process(target=hold, args=(tmp_path / 'work', request.param, theirs))
    process.start()
    assert ready.poll(30)
    yield process
    process.kill()
    process.join()


def test_a_folder_in_use_is_refused_until_its_process_is_killed(tmp_path, holder):
    with pytest.raises(BlockingIOError, match=rf'work is in use: process {holder.pid} on \S+ trains in it') as told:
        claimed(tmp_path / 'work').__enter__()
    assert '--work-dir FOLDER' in str(told.value)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with claimed(tmp_path / 'work'):
        pass


def test_nothing_is_left_in_the_folder(tmp_path):
    for _ in range(2):
        with claimed(tmp_path / 'work'):
            assert list((tmp_path / 'work').iterdir())
        assert not list((tmp_path / 'work').iterdir())


def test_a_mark_that_was_deleted_as_it_was_opened_guards_nothing_and_is_made_anew(tmp_path, monkeypatch):
    """That is what happens if its owner ends after this process has opened the file and before it has locked it."""
    path = tmp_path / '.in_use'
    opened = type(path).open

    def open_and_lose(self, *args):
        monkeypatch.undo()
        found = opened(self, *args)
        self.unlink()
        return found

    monkeypatch.setattr(type(path), 'open', open_and_lose)
    with claimed(tmp_path):
        assert re.fullmatch(rf'process {os.getpid()} on \S+', path.read_text())


def test_a_system_without_locks_guards_nothing_and_trains(tmp_path, monkeypatch):
    """As on Windows, where an open file could not be deleted."""
    monkeypatch.setattr(in_use, 'fcntl', None)
    with claimed(tmp_path / 'work'), claimed(tmp_path / 'work'):
        assert not list((tmp_path / 'work').iterdir())


@pytest.mark.parametrize(('code', 'refused'), [(errno.ENOLCK, False), (errno.EIO, True)])
def test_a_file_system_without_locks_guards_nothing_and_a_broken_one_says_so(tmp_path, monkeypatch, code, refused):
    def lockf(mark, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(in_use.fcntl, 'lockf', lockf)
    with pytest.raises(OSError, match='Input/output') if refused else nullcontext(), claimed(tmp_path):
        pass


@pytest.mark.parametrize('tool', [train, sweep, train_chain], ids=lambda tool: tool.__name__)
def test_a_second_training_in_a_folder_is_refused_before_it_writes(tmp_path, tool):
    config = runs.tiny_config(tmp_path / 'tiny.py', tiny.write_coco(tmp_path / 'data'))
    words = {sweep: ['--metric', 'coco/bbox_mAP', '--grid', 'optim_wrapper.optimizer.lr=1,2', '--no-plot']}
    work = tmp_path / 'work'
    with claimed(work):
        finished = runs.run(tool.main, [config, '--work-dir', work, *words.get(tool, [])], tmp_path)
        assert [path.name for path in work.iterdir()] == ['.in_use']
    assert finished.code == 2, finished.text
    assert f'{work} is in use: process {os.getpid()} on' in finished.text
