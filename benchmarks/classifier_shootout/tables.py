"""The classifiers' half of docs/method_shootout.md."""

from benchmarks.classifier_shootout.settings import AND, PLAIN, Setting, methods, tries
from benchmarks.methods import CLASSIFIERS as NAMED
from benchmarks.methods import step_costs
from benchmarks.study.shootout import Shootout

CLASSIFIERS = Shootout(
    scored='top-1',
    titles={name: ' + '.join(NAMED[part].title for part in name.split(AND)) for name in methods()},
    cost=step_costs('classifiers'),
    tries=tries,
    alone=lambda name: Setting(PLAIN),
)
