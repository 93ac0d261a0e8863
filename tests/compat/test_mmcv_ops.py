"""The stand-in for mmcv._ext: when it is installed, which ops it offers, and what it says about the others."""

import importlib
import importlib.util
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType

import pytest
import torch

from luminet_det.compat import mmcv_ops

mmcv_ops.install()
mmcv = importlib.import_module('mmcv')
ops = importlib.import_module('mmcv.ops')

compiled = not isinstance(importlib.util.find_spec('mmcv._ext').loader, mmcv_ops._Loader)
needs_stand_in = pytest.mark.skipif(compiled, reason='compiled mmcv is installed')


@pytest.fixture
def without_ext(monkeypatch):
    """Removes the stand-in for mmcv._ext, as if it had not been installed yet."""
    monkeypatch.delitem(sys.modules, 'mmcv._ext')
    monkeypatch.delattr(mmcv, '_ext')


@needs_stand_in
class TestStandIn:
    def test_is_found_by_every_way_of_importing_it(self):
        import mmcv._ext as by_statement
        from mmcv import _ext as from_package

        assert by_statement is from_package is importlib.import_module('mmcv._ext') is mmcv._ext

    def test_is_what_mmcv_takes_for_its_ops(self):
        from mmcv.utils.ext_loader import check_ops_exist

        spec = importlib.util.find_spec('mmcv._ext')
        assert spec.name == 'mmcv._ext'
        assert spec.origin == 'luminet_det.compat.mmcv_ops'
        assert check_ops_exist()

    @pytest.mark.parametrize('op', mmcv_ops.OPS, ids=lambda op: op.__name__)
    def test_offers_each_op_under_the_name_mmcv_calls(self, op):
        assert getattr(mmcv._ext, op.__name__) is op

    def test_lets_mmdet_import_all_its_models(self):
        models = importlib.import_module('mmdet.models')
        for detector in ('FasterRCNN', 'MaskRCNN', 'CascadeRCNN'):
            assert hasattr(models, detector)

    def test_names_itself_where_environments_are_reported(self):
        assert 'luminet_det' in ops.get_compiler_version()
        assert ops.get_compiling_cuda_version() == (torch.version.cuda or 'not available')


@needs_stand_in
class TestOpThatIsNotOffered:
    def test_can_be_looked_up_because_mmcv_looks_up_all_on_import(self):
        assert callable(mmcv._ext.carafe_forward)
        assert mmcv._ext.carafe_forward.__name__ == 'carafe_forward'

    def test_names_itself_and_the_way_to_compiled_mmcv_when_called(self):
        features, masks = torch.zeros(1, 1, 2, 2), torch.zeros(1, 9, 4, 4)
        with pytest.raises(NotImplementedError) as raised:
            ops.carafe(features, masks, 3, 1, 2)
        message = str(raised.value)
        assert '"carafe_forward"' in message
        assert 'build it from source, or use the forks onedl-mmcv and onedl-mmdetection' in message
        assert torch.__version__ in message

    @pytest.mark.parametrize('name', ['__path__', '__wrapped__', '_private'])
    def test_names_that_python_asks_any_module_for_do_not_become_ops(self, name):
        with pytest.raises(AttributeError, match=name):
            getattr(mmcv._ext, name)


class TestInstall:
    def test_twice_changes_nothing(self):
        before = sys.modules['mmcv._ext']
        mmcv_ops.install()
        assert sys.modules['mmcv._ext'] is before

    def test_leaves_another_stand_in_alone(self, monkeypatch):
        other = ModuleType('mmcv._ext')
        monkeypatch.setitem(sys.modules, 'mmcv._ext', other)
        mmcv_ops.install()
        assert sys.modules['mmcv._ext'] is other

    @needs_stand_in
    def test_puts_the_module_back_where_there_is_none(self, without_ext):
        mmcv_ops.install()
        assert sys.modules['mmcv._ext'].nms is mmcv_ops.nms.nms

    @needs_stand_in
    def test_does_nothing_where_a_compiled_module_lies_on_disk(self, without_ext, monkeypatch, tmp_path):
        (tmp_path / f'_ext{EXTENSION_SUFFIXES[0]}').touch()
        monkeypatch.setattr(mmcv, '__path__', [*mmcv.__path__, str(tmp_path)])
        mmcv_ops.install()
        assert 'mmcv._ext' not in sys.modules
        assert importlib.util.find_spec('mmcv._ext').origin == str(tmp_path / f'_ext{EXTENSION_SUFFIXES[0]}')

    def test_without_any_mmcv_names_the_three_to_choose_from(self, monkeypatch):
        monkeypatch.delitem(sys.modules, 'mmcv._ext')
        monkeypatch.setitem(sys.modules, 'mmcv', None)
        with pytest.raises(ImportError) as raised:
            mmcv_ops.install()
        for line in ("'.[lite]'", "'.[mmcv]'", 'onedl-mmcv'):
            assert f'pip install {line}' in str(raised.value)

    def test_passes_on_that_something_mmcv_imports_is_missing(self, monkeypatch):
        def broken(name):
            raise ModuleNotFoundError("No module named 'cv2'", name='cv2')

        monkeypatch.delitem(sys.modules, 'mmcv._ext')
        monkeypatch.setattr(importlib.util, 'find_spec', broken)
        with pytest.raises(ModuleNotFoundError, match='cv2'):
            mmcv_ops.install()
