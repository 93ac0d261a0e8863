"""tools/browse_config.py: what it prints can be read as a config again."""

import pytest
from mmengine.config import Config

from tools import browse_config


def test_the_output_is_the_same_config(config, capsys):
    browse_config.main([str(config)])
    assert Config.fromstring(capsys.readouterr().out, '.py').to_dict() == Config.fromfile(config).to_dict()


def test_bases_and_options_are_merged(tmp_path, config, capsys):
    child = tmp_path / 'child.py'
    child.write_text(f"_base_ = '{config}'\nmodel = dict(neck=dict(out_channels=24))\n")
    browse_config.main([str(child), '--cfg-options', 'train_cfg.max_iters=9'])
    found = Config.fromstring(capsys.readouterr().out, '.py')
    assert found.model.neck.out_channels == 24
    assert found.model.neck.num_outs == 5
    assert found.train_cfg.max_iters == 9


def test_a_zoo_name_will_do(capsys):
    browse_config.main(['mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco'])
    assert Config.fromstring(capsys.readouterr().out, '.py').model.type == 'FasterRCNN'


@pytest.mark.parametrize('name', ['new/saved.py', 'saved.json', 'saved.yml'])
def test_save_path_writes_it_too(tmp_path, config, capsys, name):
    browse_config.main([str(config), '--save-path', str(tmp_path / name)])
    assert Config.fromfile(tmp_path / name).model == Config.fromstring(capsys.readouterr().out, '.py').model


def test_an_unknown_kind_of_file_is_refused(config, capsys):
    with pytest.raises(SystemExit, match='2'):
        browse_config.main([str(config), '--save-path', 'saved.txt'])
    assert '--save-path saved.txt: the name must end in .py, .json, .yml, .yaml' in capsys.readouterr().err


def test_a_wrong_option_ends_with_one_line(config, capsys):
    with pytest.raises(SystemExit, match='2'):
        browse_config.main([str(config), '--cfg-options', 'distill=[]'])
    assert capsys.readouterr().err.splitlines()[-1].endswith('write model.distill')
