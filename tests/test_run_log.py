"""The log of a run that was started several times, and killed while writing."""

import json

from luminet_det import run_log


def test_entries_come_in_the_order_of_the_starts_without_what_was_cut_off(tmp_path):
    for start, text in (('20260102_000000', '{"step": 3}\n'), ('20260101_000000', '{"step": 1}\n{"step": 2, "lo')):
        log = tmp_path / start / 'vis_data' / 'scalars.json'
        log.parent.mkdir(parents=True)
        log.write_text(text)
    assert [entry['step'] for entry in run_log.entries(tmp_path)] == [1, 3]
    assert [json.loads(file.read_text()[:11])['step'] for file in run_log.files(tmp_path)] == [1, 3]


def test_a_folder_without_a_log_has_no_entry(tmp_path):
    assert not [*run_log.entries(tmp_path)]
