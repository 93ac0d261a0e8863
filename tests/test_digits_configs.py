"""Each config of configs/digits parses, builds and takes a step."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests import pairs

FOLDER = Path(__file__).parents[1] / 'configs' / 'digits'
CONFIGS = sorted(FOLDER.glob('*.py'))


def test_there_are_as_many_configs_as_the_readme_lists():
    readme = (FOLDER / 'README.md').read_text()
    assert len(CONFIGS) == 3
    assert all(f'({path.name})' in readme for path in CONFIGS)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_parses_builds_and_takes_a_step(path, tmp_path):
    model = Config.fromfile(path).model
    if 'teacher' in model:
        assert Path(model.teacher.config).is_file()
        names = tuple(str(digit) for digit in range(10))
        made = pairs.save_teacher(
            tmp_path / 'teacher.pth', Config.fromfile(model.teacher.config).model.to_dict(), classes=names
        )
        model.teacher.checkpoint = made['checkpoint']
    detector = pairs.build(model.to_dict())
    losses = pairs.step(detector)
    pairs.total(detector, losses).backward()
    assert ('loss_luminet' in losses) == ('teacher' in model)
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters())


def test_the_twins_share_data_seed_and_schedule():
    plain, distilled = (
        Config.fromfile(FOLDER / f'{name}.py') for name in ('retinanet_student', 'luminet_retinanet_student')
    )
    for key in ('train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert plain[key] == distilled[key], key
