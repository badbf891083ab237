"""Slot schedulers: one contract over all of them, and what each is for."""

import numpy as np
import pytest

from models.network import ModeAssignment
from models.schedulers import Palindromic, RoundRobin

ASSIGNMENT = ModeAssignment.of(7, transmitters=[5, 1, 3], receivers=[0, 2])
SCHEDULERS = [RoundRobin(), Palindromic()]


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=repr)
class TestContract:
    @pytest.mark.parametrize("n_slots", [0, 1, 3, 8])
    def test_one_transmitter_a_slot(self, scheduler, n_slots):
        order = scheduler.order(ASSIGNMENT, None, n_slots)
        assert isinstance(order, tuple)
        assert len(order) == n_slots
        assert set(order) <= {1, 3, 5}
        assert all(type(ap) is int for ap in order)

    def test_everyone_senses_equally_often_over_two_rounds(self, scheduler):
        order = scheduler.order(ASSIGNMENT, None, 6)
        assert [order.count(ap) for ap in (1, 3, 5)] == [2, 2, 2]

    def test_first_round_has_everyone_once(self, scheduler):
        assert sorted(scheduler.order(ASSIGNMENT, None, 3)) == [1, 3, 5]

    def test_nobody_to_schedule_is_an_error_with_slots_and_none_without(self, scheduler):
        nobody = ModeAssignment.of(3, transmitters=[], receivers=[0])
        assert scheduler.order(nobody, None, 0) == ()
        with pytest.raises(ValueError, match="no transmitter for 2"):
            scheduler.order(nobody, None, 2)


def test_round_robin_ascends():
    assert RoundRobin().order(ASSIGNMENT, None, 5) == (1, 3, 5, 1, 3)


@pytest.mark.parametrize("rounds", [1, 5])
def test_palindromic_centres_every_transmitter_in_time(rounds):
    order = np.array(Palindromic().order(ASSIGNMENT, None, 6 * rounds))
    middle = (len(order) - 1) / 2
    assert [np.flatnonzero(order == ap).mean() for ap in (1, 3, 5)] == [middle] * 3
    ascending = np.array(RoundRobin().order(ASSIGNMENT, None, 6 * rounds))
    assert np.flatnonzero(ascending == 1).mean() != middle
