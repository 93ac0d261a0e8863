"""The tables in the READMEs show what was measured, and every marked table is one that can be filled."""

import re

import pytest

from benchmarks import readme


@pytest.mark.parametrize('path', readme.READMES, ids=lambda path: path.parent.name)
def test_a_readme_shows_what_was_measured(path):
    text = path.read_text()
    marks = re.findall(r'<!-- ([\w ,]+) -->', text)
    assert marks
    assert set(marks) <= set(readme.TABLES)
    assert readme.filled(text) == text, 'run python -m benchmarks.readme'


def test_a_stale_table_is_replaced_and_the_rest_kept():
    assert readme.filled('a\n<!-- step cost -->\nold\n<!-- /step cost -->\nb') == (
        f'a\n<!-- step cost -->\n\n{readme.step_cost()}\n\n<!-- /step cost -->\nb'
    )
