"""Checkpoints are not trusted: all are read with `weights_only=True`, and the error for a bad one says why."""

import copy
import http.server
import os
import pickle
import sys
import threading
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from luminet_det.compat import checkpoints


class Touch:
    """Creates a file when it is unpickled by a reader that runs code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


class Getattr:
    """Calls `getattr`, which reaches any attribute and which a reader of mmengine's histories is likely to allow."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return getattr, (OrderedDict, '__subclasses__')


class NestedDtype:
    """A dtype with a field that, if accepted, would make the raw bytes of an array count as object pointers."""

    def __reduce__(self):
        return np.dtype, ('V8', False, True), (3, '|', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 1, 0)


class DisguisedDtype:
    """A plain dtype to which the file tries to add a field."""

    def __reduce__(self):
        return np.dtype, ('f8', False, True), (3, '<', None, ('a',), {'a': (np.dtype('f4'), 0)}, 8, 8, 0)


@pytest.fixture
def no_force(monkeypatch):
    monkeypatch.delenv(checkpoints.FORCE, raising=False)
    monkeypatch.delenv(checkpoints.FORBID, raising=False)


@pytest.fixture
def url_of(tmp_path, monkeypatch):
    """A function that returns a file's URL; serves `tmp_path/served` over HTTP, with an empty download cache."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch_home'))
    (tmp_path / 'served').mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = partial(Quiet, directory=str(tmp_path / 'served'))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield lambda name: f'http://127.0.0.1:{server.server_port}/{name}'
        server.shutdown()


def mm_checkpoint() -> dict:
    """What mmengine's `Runner.save_checkpoint` puts in a file, including numpy arrays and scalars."""
    history = HistoryBuffer([0.5, 0.25], [1, 1])
    return dict(
        meta=dict(epoch=1, iter=2, seed=3, best=np.float32(0.5), count=np.int64(7), flag=np.bool_(True)),
        state_dict=nn.Linear(2, 2).state_dict(),
        message_hub=dict(log_scalars={'train/loss': history}, runtime_info=dict(iter=2), resumed_keys={}),
        palette=np.arange(6, dtype='u1').reshape(2, 3),
        fortran=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        names=np.array(['cat', 'dog']),
        big_endian=np.array([1, 2], dtype='>i4'),
        cfg=ConfigDict(a=ConfigDict(b=1)),
    )


def test_what_mmengine_saves_opens_with_weights_only(tmp_path):
    torch.save(mm_checkpoint(), tmp_path / 'mm.pth')
    loaded = torch.load(tmp_path / 'mm.pth', weights_only=True)
    expected = mm_checkpoint()
    assert loaded['meta'] == expected['meta']
    assert type(loaded['meta']['best']) is np.float32
    for name in ('palette', 'fortran', 'names', 'big_endian'):
        np.testing.assert_array_equal(loaded[name], expected[name])
        assert loaded[name].dtype == pickle.loads(pickle.dumps(expected[name])).dtype
    assert loaded['cfg'] == {'a': {'b': 1}}
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert type(history) is HistoryBuffer
    assert type(history.data[0]) is np.ndarray
    history.update(0.0)
    assert history.mean() == 0.25
    assert history.max() == 0.5


def test_numpy_1_names_open_too(tmp_path):
    with open(tmp_path / 'old.pth', 'wb') as file:
        torch.save(mm_checkpoint(), file, _use_new_zipfile_serialization=False)
    content = (tmp_path / 'old.pth').read_bytes()
    assert b'numpy._core.multiarray' in content or np.__version__ < '2'
    (tmp_path / 'old.pth').write_bytes(content.replace(b'numpy._core', b'numpy.core'))
    assert torch.load(tmp_path / 'old.pth', weights_only=True)['meta']['best'] == np.float32(0.5)


def test_saved_again_a_checkpoint_needs_no_luminet_det(tmp_path):
    torch.save(mm_checkpoint(), tmp_path / 'once.pth')
    loaded = torch.load(tmp_path / 'once.pth', weights_only=True)
    torch.save(copy.deepcopy(loaded), tmp_path / 'twice.pth', _use_new_zipfile_serialization=False)
    assert b'luminet_det' not in (tmp_path / 'twice.pth').read_bytes()
    assert torch.load(tmp_path / 'twice.pth', weights_only=True)['meta'] == loaded['meta']


def test_statistics_of_a_file_do_not_replace_mmengines_own(tmp_path):
    class Spoilt:
        def __reduce__(self):
            state = dict(_log_history=[1.0, 3.0], _count_history=[1, 1], max_length=9)
            return HistoryBuffer, (), state | {'statistics_methods': {'mean': HistoryBuffer.max}}

    torch.save(Spoilt(), tmp_path / 'history.pth')
    assert torch.load(tmp_path / 'history.pth', weights_only=True).statistics('mean') == 2.0
    assert HistoryBuffer._statistics_methods['mean'] is HistoryBuffer.mean


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
@pytest.mark.parametrize('evil', [Touch, Getattr])
def test_a_file_that_would_run_code_is_refused(tmp_path, evil, zipped):
    path = tmp_path / 'evil.pth'
    content = dict(state_dict={}, meta=evil(tmp_path / 'ran'))
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(pickle.UnpicklingError, match=r'evil\.pth was refused.*(system|getattr).*state_dict') as caught:
        checkpoints.load(path)
    assert 'weights_only=False' not in str(caught.value)
    assert not (tmp_path / 'ran').exists()


def test_a_bare_pickle_is_refused_too(tmp_path):
    (tmp_path / 'evil.pkl').write_bytes(pickle.dumps(Touch(tmp_path / 'ran'), protocol=2))
    with pytest.raises(pickle.UnpicklingError, match='system'):
        checkpoints.load(tmp_path / 'evil.pkl')
    assert not (tmp_path / 'ran').exists()


def save_forged(path, dtype):
    """Save an array of one element, whose type is `dtype` and whose bytes would be an invalid pointer."""

    class Forged:
        def __reduce__(self):
            reconstruct = np.zeros(1).__reduce__()[0]
            return reconstruct, (np.ndarray, (0,), b'b'), (1, (1,), dtype(), False, b'\x01' * 8)

    torch.save(dict(array=Forged()), path)


def test_a_whole_network_is_told_how_to_save_its_weights(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / 'network.pth')
    with pytest.raises(pickle.UnpicklingError, match=r"torch\.save\(network\.state_dict\(\), 'weights\.pth'\)"):
        checkpoints.load(tmp_path / 'network.pth')


def test_a_nested_dtype_is_refused(tmp_path):
    save_forged(tmp_path / 'forged.pth', NestedDtype)
    with pytest.raises(pickle.UnpicklingError, match=r"numpy\.dtype\('V8'\)"):
        checkpoints.load(tmp_path / 'forged.pth')


def test_a_plain_dtype_takes_no_fields_from_the_file(tmp_path):
    save_forged(tmp_path / 'forged.pth', DisguisedDtype)
    array = checkpoints.load(tmp_path / 'forged.pth')['array']
    assert array.dtype == np.dtype('f8')
    assert array.dtype.fields is None


def test_shape_and_bytes_of_an_array_must_agree(tmp_path):
    class Short:
        def __reduce__(self):
            return (
                np.zeros(1).__reduce__()[0],
                (np.ndarray, (0,), b'b'),
                (1, (9,), np.dtype('f8'), False, b'12345678'),
            )

    torch.save(dict(array=Short()), tmp_path / 'short.pth')
    with pytest.raises(RuntimeError, match='truncated or not a checkpoint'):
        checkpoints.load(tmp_path / 'short.pth')


def test_no_registered_global_is_pythons_or_numpys_own():
    from luminet_det.compat import safe_globals

    registered = torch.serialization.get_safe_globals()
    for target in (getattr, np.dtype, np.ndarray, np.zeros(1).__reduce__()[0], eval, exec, HistoryBuffer):
        assert target not in registered
    assert set(safe_globals.STAND_INS) <= {f'{g.__module__}.{g.__name__}' for g in registered}


@pytest.mark.usefixtures('no_force')
def test_a_url_is_read_with_weights_only_as_well(tmp_path, url_of):
    torch.save(mm_checkpoint(), tmp_path / 'served' / 'good.pth')
    torch.save(dict(meta=Touch(tmp_path / 'ran')), tmp_path / 'served' / 'evil.pth')
    assert checkpoints.load(url_of('good.pth'))['meta']['iter'] == 2
    with pytest.raises(pickle.UnpicklingError, match=r'evil\.pth was refused.*system'):
        checkpoints.load(url_of('evil.pth'))
    assert not (tmp_path / 'ran').exists()
    assert checkpoints.FORCE not in os.environ


def test_a_truncated_download_names_the_cached_file(tmp_path, url_of):
    torch.save(mm_checkpoint(), tmp_path / 'served' / 'cut.pth')
    whole = (tmp_path / 'served' / 'cut.pth').read_bytes()
    (tmp_path / 'served' / 'cut.pth').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RuntimeError, match=r'torch_home.*cut\.pth is truncated.*Delete it'):
        checkpoints.load(url_of('cut.pth'))


def test_a_missing_url_is_named(url_of):
    with pytest.raises(OSError, match=r'http://.*nowhere\.pth could not be read.*404'):
        checkpoints.load(url_of('nowhere.pth'))


def test_a_loader_that_asks_for_pickle_still_gets_weights_only(tmp_path, monkeypatch):
    """Forks of mmengine ask for it, to open their own checkpoints with torch >= 2.6."""

    def trusting(filename, map_location):
        return torch.load(filename, map_location=map_location, weights_only=False)

    monkeypatch.setitem(CheckpointLoader._schemes, '', trusting)
    torch.save(dict(meta=Touch(tmp_path / 'ran')), tmp_path / 'evil.pth')
    with pytest.raises(pickle.UnpicklingError, match='was refused'):
        checkpoints.load(tmp_path / 'evil.pth')
    assert not (tmp_path / 'ran').exists()


def test_mmengines_own_entry_points_are_guarded(tmp_path):
    torch.save(dict(state_dict={}, meta=Touch(tmp_path / 'ran')), tmp_path / 'evil.pth')
    with pytest.raises(pickle.UnpicklingError, match='was refused'):
        load_checkpoint(nn.Linear(2, 2), str(tmp_path / 'evil.pth'))
    assert not (tmp_path / 'ran').exists()


def test_the_switch_that_turns_weights_only_off_is_refused(tmp_path, monkeypatch):
    torch.save(mm_checkpoint(), tmp_path / 'mm.pth')
    monkeypatch.setenv(checkpoints.FORBID, '1')
    with pytest.raises(RuntimeError, match=f'unset {checkpoints.FORBID}'):
        checkpoints.load(tmp_path / 'mm.pth')


@pytest.mark.parametrize('keep', [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_says_so_with_path_and_size(tmp_path, keep):
    path = tmp_path / 'cut.pth'
    torch.save(mm_checkpoint(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    size = f'{path.stat().st_size:,} bytes'
    with pytest.raises(RuntimeError, match=rf'cut\.pth is truncated or not a checkpoint \({size}\)'):
        checkpoints.load(path)


@pytest.mark.parametrize(
    'content', [b'<html>404</html>', b'version https://git-lfs.github.com/spec/v1\n', b'\x00' * 99]
)
def test_a_file_of_another_kind_says_so(tmp_path, content):
    (tmp_path / 'page.pth').write_bytes(content)
    with pytest.raises(RuntimeError, match='truncated or not a checkpoint'):
        checkpoints.load(tmp_path / 'page.pth')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no checkpoint at .*nowhere\.pth'):
        checkpoints.load(tmp_path / 'nowhere.pth')


def test_a_tensor_alone_is_no_checkpoint(tmp_path):
    torch.save(torch.zeros(2), tmp_path / 'tensor.pth')
    with pytest.raises(RuntimeError, match='holds a Tensor, not a dict'):
        checkpoints.load(tmp_path / 'tensor.pth')


def test_applying_twice_changes_nothing():
    before = CheckpointLoader.load_checkpoint.__func__
    registered = len(torch.serialization.get_safe_globals())
    checkpoints.apply()
    assert CheckpointLoader.load_checkpoint.__func__ is before
    assert len(torch.serialization.get_safe_globals()) == registered


def test_importing_the_package_applies_it():
    assert 'luminet_det' in sys.modules
    assert CheckpointLoader.load_checkpoint.__func__.weights_only
