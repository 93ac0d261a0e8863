"""A file is written completely or stays as it was."""

from pathlib import Path

import pytest

from luminet_det.whole_file import write_text


def test_a_write_that_is_cut_short_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / 'history.json'
    write_text(path, '[1]')
    whole = Path.write_text

    def cut(self, text, **settings):
        whole(self, text[:1], **settings)
        raise OSError('no space left')

    monkeypatch.setattr(Path, 'write_text', cut)
    with pytest.raises(OSError, match='no space'):
        write_text(path, '[1, 2]')
    assert path.read_text() == '[1]'
    monkeypatch.undo()
    write_text(path, '[1, 2]')
    assert path.read_text() == '[1, 2]'
