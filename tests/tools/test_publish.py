"""tools/publish.py: keeps only the student's weights and class names, under names that other libraries know."""

import pytest
import torch
import torchvision
from mmengine.config import ConfigDict

from luminet_det.classification import Classifier
from luminet_det.compat import checkpoints
from tests import pairs, runs, tiny
from tools import publish, train
from tools.publish import published


def test_of_a_run_weights_and_classes_are_left(trained, capsys, tmp_path):
    folder, _ = trained
    checkpoint = max(folder.rglob('*.pth'))
    publish.main([str(checkpoint), str(tmp_path / 'new' / 'student.pth')])
    said = capsys.readouterr().out
    # Read by plain torch.
    content = torch.load(tmp_path / 'new' / 'student.pth', weights_only=True)
    saved = checkpoints.load(checkpoint)
    assert content.keys() == {'state_dict', 'meta'}
    assert content['meta'] == dict(dataset_meta=saved['meta']['dataset_meta'])
    pairs.build(tiny.faster_rcnn()).load_state_dict(content['state_dict'], strict=True)
    assert all(torch.equal(content['state_dict'][name], weight) for name, weight in saved['state_dict'].items())
    classes = len(saved['meta']['dataset_meta']['classes'])
    assert said.rstrip().endswith(f'{classes} classes named')


def test_a_classifier_has_the_names_of_its_network():
    weights = Classifier(ConfigDict(type='luminet_det.resnet8', num_classes=5)).state_dict()
    found = published(dict(state_dict=weights))
    assert found['state_dict'].keys() == {name.removeprefix('network.') for name in weights}
    assert found['meta'] == {}


def test_a_network_of_torchvision_loads_into_torchvisions_own():
    network = ConfigDict(type='luminet_det.TorchvisionNetwork', name='resnet18', num_classes=5)
    weights = published(dict(state_dict=Classifier(network).state_dict()))['state_dict']
    torchvision.models.resnet18(num_classes=5).load_state_dict(weights, strict=True)


def test_layout_and_storage_are_the_weights_own():
    wide = torch.arange(2.0 * 8 * 3 * 3).reshape(2, 8, 3, 3).to(memory_format=torch.channels_last)
    view = torch.arange(1000.0)[:2]
    found = published(dict(state_dict=dict(wide=wide, view=view), meta=None))['state_dict']
    assert torch.equal(found['wide'], wide)
    assert found['wide'].is_contiguous()
    assert found['view'].untyped_storage().nbytes() == 2 * 4


def test_of_a_run_with_ema_it_is_the_averaged_student(trained, config, tmp_path):
    path = tmp_path / 'ema.py'
    path.write_text(f"_base_ = {str(config)!r}\ncustom_hooks = [dict(type='EMAHook')]\n")
    finished = runs.run(train.main, [path], tmp_path)
    assert finished.code == 0, finished.text
    saved = checkpoints.load(max(tmp_path.rglob('*.pth')))
    averaged = published(saved)['state_dict']
    # mmengine saves the weights without averaging as `ema_state_dict`, with a prefix.
    others = {name.removeprefix('module.'): weight for name, weight in saved['ema_state_dict'].items()}
    assert any(not torch.equal(weight, others[name]) for name, weight in averaged.items())
    pairs.build(tiny.faster_rcnn()).load_state_dict(averaged, strict=True)


def test_what_is_there_is_not_replaced(tmp_path, capsys):
    (tmp_path / 'student.pth').write_text('precious')
    with pytest.raises(SystemExit):
        publish.main(['x.pth', str(tmp_path / 'student.pth')])
    assert 'student.pth exists already; name another file' in capsys.readouterr().err
    assert (tmp_path / 'student.pth').read_text() == 'precious'


class Other:
    """An object that no checkpoint contains, and that reading the file would have to construct."""


@pytest.mark.parametrize(
    ('content', 'words'),
    [(None, 'nowhere.pth'), (dict(model={}), 'has no state_dict'), (dict(state_dict=Other()), 'Other')],
)
def test_what_is_no_checkpoint_of_a_run_is_named(tmp_path, capsys, content, words):
    path = tmp_path / 'nowhere.pth'
    if content is not None:
        torch.save(content, path)
    with pytest.raises(SystemExit):
        publish.main([str(path), str(tmp_path / 'out.pth')])
    assert words in capsys.readouterr().err
    assert not (tmp_path / 'out.pth').exists()
