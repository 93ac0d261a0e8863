"""A config as the tools take it."""

from argparse import ArgumentParser

import pytest

from luminet_det import config


def load(path):
    parser = ArgumentParser()
    config.add_arguments(parser, runs=False)
    return config.load(parser.parse_args([str(path)]))


@pytest.mark.parametrize('line', ["distill = [dict(tap='roi_cls')]", "teacher = 'mmdet::faster_rcnn'"])
def test_what_stands_beside_the_model_is_refused_and_what_the_model_uses_is_not(tmp_path, line):
    key = line.partition(' ')[0]
    beside, used = tmp_path / 'beside.py', tmp_path / 'used.py'
    beside.write_text(f"model = dict(type='FasterRCNN')\n{line}\n")
    with pytest.raises(ValueError, match=rf'write model = dict\({key}=\.\.\.\)'):
        load(beside)
    used.write_text(f"{line}\nmodel = dict(type='FasterRCNN', {key}={key})\n")
    assert key in load(used).model
