"""Slot schedulers: one contract over all of them, and what each is for."""

from types import SimpleNamespace

import numpy as np
import pytest

from models import SCHEDULERS
from models.network import ModeAssignment
from models.schedulers import Palindromic, RoundRobin
from scenarios.file.plugins import make

ASSIGNMENT = ModeAssignment.of(7, transmitters=[5, 1, 3], receivers=[0, 2])
KINDS = [make(name, SCHEDULERS, {}) for name in SCHEDULERS]
EVEN, ODD = SimpleNamespace(cpi=4), SimpleNamespace(cpi=5)  # of the view a scheduler needs no more


@pytest.mark.parametrize("view", [EVEN, ODD], ids=["even", "odd"])
@pytest.mark.parametrize("scheduler", KINDS, ids=SCHEDULERS)
class TestContract:
    @pytest.mark.parametrize("n_slots", [0, 1, 3, 8])
    def test_one_transmitter_a_slot(self, scheduler, view, n_slots):
        order = scheduler.order(ASSIGNMENT, view, n_slots)
        assert isinstance(order, tuple)
        assert len(order) == n_slots
        assert set(order) <= {1, 3, 5}
        assert all(type(ap) is int for ap in order)

    def test_everyone_senses_equally_often_over_two_rounds(self, scheduler, view):
        order = scheduler.order(ASSIGNMENT, view, 6)
        assert [order.count(ap) for ap in (1, 3, 5)] == [2, 2, 2]

    def test_first_round_has_everyone_once(self, scheduler, view):
        assert sorted(scheduler.order(ASSIGNMENT, view, 3)) == [1, 3, 5]

    def test_nobody_to_schedule_is_an_error_with_slots_and_none_without(self, scheduler, view):
        nobody = ModeAssignment.of(3, transmitters=[], receivers=[0])
        assert scheduler.order(nobody, view, 0) == ()
        with pytest.raises(ValueError, match="no transmitter for 2"):
            scheduler.order(nobody, view, 2)


@pytest.mark.parametrize("view", [EVEN, ODD], ids=["even", "odd"])
def test_round_robin_ascends_in_every_cpi(view):
    assert RoundRobin().order(ASSIGNMENT, view, 5) == (1, 3, 5, 1, 3)


@pytest.mark.parametrize("n_slots", [3, 4, 6])
def test_palindromic_centres_every_transmitter_over_two_cpis(n_slots):
    forth, back = (Palindromic().order(ASSIGNMENT, view, n_slots) for view in (EVEN, ODD))
    assert forth == RoundRobin().order(ASSIGNMENT, EVEN, n_slots)
    both = np.array(forth + back)
    assert [np.flatnonzero(both == ap).mean() for ap in (1, 3, 5)] == [n_slots - 0.5] * 3
