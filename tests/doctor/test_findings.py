"""Every finding is a line of the report, and an exception in a check becomes a finding."""

import pytest

from luminet_det.doctor.findings import FAIL, OK, SKIP, WARN, Finding, Report, Unusable


def one(error):
    def check():
        yield Finding('data', OK, 'so far')
        raise error

    report = Report()
    assert not report.run('data', check, 'the usual')
    return report.findings[-1]


def test_an_exception_ends_its_check_and_not_the_report():
    found = one(RuntimeError('out of luck'))
    assert (found.level, found.found, found.change) == (FAIL, 'RuntimeError: out of luck', 'the usual')
    assert one(ValueError('set a to b')).found == 'set a to b'
    assert one(KeyError('area')).found == 'KeyError: area'
    assert one(SystemExit('bye')).level == FAIL
    assert one(Unusable('no file', 'ann_file')).change == 'ann_file'


def test_an_interrupt_is_not_a_finding():
    with pytest.raises(KeyboardInterrupt):
        one(KeyboardInterrupt())


def test_what_cannot_be_looked_at_is_said_and_is_no_failure():
    report = Report()
    assert not report.run('step', lambda: iter(()), '', lacking='there is no model')
    assert (report.findings[0].level, report.findings[0].found) == (SKIP, 'skipped: there is no model')
    assert report.healthy


def test_each_finding_is_told_at_once_and_only_failures_make_it_ill():
    told = []
    report = Report(tell=told.append)
    assert report.run('a', lambda: iter([Finding('a', WARN, 'odd')]), '')
    assert told == report.findings
    assert report.healthy
    assert not report.run('b', lambda: iter([Finding('b', FAIL, 'broken', 'x = 1')]), '')
    assert not report.healthy
    assert report.as_dict()['findings'][1] == dict(check='b', level='FAIL', found='broken', change='x = 1')


def test_the_line_to_change_stands_below():
    assert str(Finding('a', OK, 'fine')) == 'OK    a: fine'
    assert str(Finding('a', FAIL, 'one\ntwo', 'x = 1')) == 'FAIL  a: one\n      two\n      change: x = 1'
