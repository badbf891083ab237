"""Mode selectors: one contract over all of them, and what each is for.

A selector of your own joins the contract by a subclass of `SelectorContract` with a fixture ``selector``.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from models.network import Area, Network, Radio
from models.radio.channel import AccessChannel
from models.radio.efficiency import spectral_efficiency
from models.radio.geometry import rays
from models.radio.propagation import path_gain, umi_los
from models.radio.transmission import precoding_matrix
from models.selection import SELECTORS
from models.selection.communication_centric import CommunicationCentric, gain_ratio_spectral_efficiency
from models.selection.farthest_point import FarthestPoint
from models.selection.fixed import Fixed
from models.selection.greedy import (
    GreedySpectralEfficiency,
    GreedySurrogate,
    SampledEfficiency,
    large_scale_efficiency,
)
from models.selection.random import Random
from models.selection.search import exchange, grow
from models.units import noise_power_w
from models.view import View
from scenarios.file.plugins import make

RANDOMISED = {"random": {}, "greedy-se": {"n_draws": 2}}
"""Kinds that draw random numbers, with settings for a short test."""


def make_view(n_aps=9, n_ues=4, n_receivers=4, seed=1, **network_changes):
    """Return a view of a random network in a square kilometre."""
    rng = np.random.default_rng(seed)
    settings = {
        "ap_names": tuple(f"ap-{m}" for m in range(n_aps)),
        "ap_positions_m": rng.uniform(0, 1000, (n_aps, 2)),
        "boresights_rad": rng.uniform(-np.pi, np.pi, n_aps),
        "n_antennas": 8,
        "carrier_hz": 3.5e9,
        "ue_names": tuple(f"ue-{k}" for k in range(n_ues)),
        "ue_positions_m": rng.uniform(0, 1000, (n_ues, 2)),
    }
    network = Network(**(settings | network_changes))
    radio = Radio(
        bandwidth_hz=100e3,
        noise_power_w=noise_power_w(290.0, 100e3),
        transmit_power_w=1.0,
        comm_power_fraction=0.5,
        illumination="sensing",
        n_snapshots=10,
        rician_k=10**0.9,
    )
    gain = path_gain(umi_los, rays(network, network.ue_positions_m).distance_m, network.carrier_hz)
    return View(
        network=network,
        area=Area(width_m=1000.0, height_m=1000.0),
        radio=radio,
        path_gain=gain,
        n_receivers=n_receivers,
        alive=np.ones(n_aps, dtype=bool),
    )


def permuted(view, order):
    """Return the view of the same network with its APs listed in another order."""
    network = replace(
        view.network,
        ap_names=tuple(view.network.ap_names[m] for m in order),
        ap_positions_m=view.network.ap_positions_m[order],
        boresights_rad=view.network.boresights_rad[order],
    )
    return replace(view, network=network, path_gain=view.path_gain[order], alive=view.alive[order])


def names(view, aps):
    return {view.network.ap_names[m] for m in aps}


class SelectorContract:
    """What the emulator relies on. Override ``selector`` and, where it applies, the switches below."""

    draws_random_numbers = False
    """Whether the answer depends on the generator."""
    obeys_view = True
    """Whether numbers of receivers and APs out of order are heeded."""

    @pytest.fixture
    def selector(self):
        raise NotImplementedError("give a fixture that returns the selector")

    def select(self, selector, view, seed=5):
        return selector.select(view, np.random.default_rng(seed))

    def test_modes_of_all_aps_in_range_and_disjoint(self, selector):
        assignment = self.select(selector, make_view())
        assert len(assignment.modes) == 9
        assert not set(assignment.transmitters) & set(assignment.receivers)
        assert len(assignment.transmitters) >= 1

    def test_same_view_and_seed_same_answer(self, selector):
        assert self.select(selector, make_view()) == self.select(selector, make_view())

    def test_the_view_is_left_alone(self, selector):
        view = make_view()
        for array in (view.path_gain, view.alive, view.network.ap_positions_m, view.network.ue_positions_m):
            array.flags.writeable = False
        self.select(selector, view)

    @pytest.mark.parametrize("n_receivers", [0, 1, 4, 8])
    def test_as_many_receivers_as_asked_for_and_the_others_transmit(self, selector, n_receivers):
        if not self.obeys_view:
            pytest.skip("answers the same whatever is asked for")
        assignment = self.select(selector, make_view(n_receivers=n_receivers))
        assert (len(assignment.receivers), len(assignment.transmitters)) == (n_receivers, 9 - n_receivers)

    @pytest.mark.parametrize("n_receivers", [-1, 9, 10])
    def test_impossible_numbers_of_receivers_are_refused(self, selector, n_receivers):
        if not self.obeys_view:
            pytest.skip("answers the same whatever is asked for")
        with pytest.raises(ValueError, match=f"n_receivers is {n_receivers} with 9"):
            self.select(selector, make_view(n_receivers=n_receivers))

    def test_dead_aps_idle_where_possible(self, selector):
        if not self.obeys_view:
            pytest.skip("answers the same whoever is alive")
        dead = np.isin(np.arange(9), [0, 4, 7])
        assignment = self.select(selector, replace(make_view(), alive=~dead))
        assert not set(np.flatnonzero(dead)) & {*assignment.transmitters, *assignment.receivers}
        assert (len(assignment.receivers), len(assignment.transmitters)) == (4, 2)

    def test_dead_aps_fill_up_where_the_living_are_too_few(self, selector):
        if not self.obeys_view:
            pytest.skip("answers the same whoever is alive")
        alive = np.isin(np.arange(9), [1, 5, 8])
        assignment = self.select(selector, replace(make_view(), alive=alive))
        used = {*assignment.transmitters.tolist(), *assignment.receivers.tolist()}
        assert used == {1, 5, 8, 0, 2}
        assert len(assignment.receivers) == 4

    @pytest.mark.parametrize("seed", range(4))
    def test_labels_do_not_matter(self, selector, seed):
        if not self.obeys_view or self.draws_random_numbers:
            pytest.skip("depends on indices or on random numbers")
        view = make_view(seed=seed)
        other = permuted(view, np.random.default_rng(seed).permutation(9))
        here, there = self.select(selector, view), self.select(selector, other)
        assert names(view, here.receivers) == names(other, there.receivers)
        assert names(view, here.transmitters) == names(other, there.transmitters)

    def test_no_ue_is_valid(self, selector):
        assignment = self.select(selector, make_view(n_ues=0))
        assert len(assignment.receivers) == 4

    def test_frozen_keyword_only_settings(self, selector):
        with pytest.raises(AttributeError):
            selector.anything = 1
        with pytest.raises(TypeError):
            type(selector)(0)


@pytest.mark.parametrize(
    "selector",
    [
        *(make(kind, SELECTORS, {}) for kind in SELECTORS if kind not in ("fixed", *RANDOMISED)),
        CommunicationCentric(amplitude=True),
        GreedySurrogate(improve=False),
    ],
    ids=repr,
)
class TestDeterministicSelectors(SelectorContract):
    pass


@pytest.mark.parametrize("selector", [make(kind, SELECTORS, keys) for kind, keys in RANDOMISED.items()], ids=repr)
class TestRandomisedSelectors(SelectorContract):
    draws_random_numbers = True


class TestFixed(SelectorContract):
    obeys_view = False

    @pytest.fixture
    def selector(self):
        return Fixed(transmitters=(0, 5, 6, 7), receivers=[1, 2, 3, 8])

    def test_the_answer_is_the_settings(self, selector):
        assignment = self.select(selector, replace(make_view(), alive=np.zeros(9, dtype=bool)))
        assert assignment.transmitters.tolist() == [0, 5, 6, 7]
        assert assignment.receivers.tolist() == [1, 2, 3, 8]

    def test_contradictions_are_refused(self):
        with pytest.raises(ValueError, match=r"both hold \[2\]"):
            Fixed(transmitters=(1, 2), receivers=(2,))
        with pytest.raises(ValueError, match="transmitters is empty"):
            Fixed(transmitters=(), receivers=(2,))
        with pytest.raises(ValueError, match="outside"):
            self.select(Fixed(transmitters=(9,), receivers=(2,)), make_view())


def test_farthest_point_by_hand():
    r"""Start farthest from the centroid (0), then the AP whose nearest receiver is farthest (3), then 1.

    1 (0, 40)

    0 (0, 0) .. 2 (30, 0) ............ 3 (70, 0)
    """
    positions = np.array([[0.0, 0.0], [0.0, 40.0], [30.0, 0.0], [70.0, 0.0]])
    for n_receivers, expected in ((1, {3}), (2, {1, 3}), (3, {0, 1, 3})):
        view = make_view(4, n_receivers=n_receivers, ap_positions_m=positions)
        assignment = FarthestPoint().select(view, np.random.default_rng(0))
        assert set(assignment.receivers.tolist()) == expected


def test_farthest_point_starts_farthest_from_the_centroid_wherever_the_origin_is():
    view = make_view(n_receivers=1)
    for shift_m in (0.0, 5000.0, -300.0):
        network = replace(view.network, ap_positions_m=view.network.ap_positions_m + shift_m)
        start = FarthestPoint().select(replace(view, network=network), np.random.default_rng(0)).receivers
        offset = network.ap_positions_m - network.ap_positions_m.mean(axis=0)
        assert start.tolist() == [np.hypot(*offset.T).argmax()]


def test_farthest_point_ties_go_to_the_lower_index():
    square = 100.0 * np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]) + 1 / 3
    view = make_view(4, n_receivers=2, ap_positions_m=square)
    assert FarthestPoint().select(view, np.random.default_rng(0)).receivers.tolist() == [0, 2]


def test_farthest_point_spreads_receivers_wider_than_chance():
    view = make_view(20, n_receivers=5)
    rng = np.random.default_rng(2)

    def spread(assignment):
        chosen = view.network.ap_positions_m[assignment.receivers]
        return min(math.dist(a, b) for a, b in itertools.combinations(chosen, 2))

    by_chance = [spread(Random().select(view, rng)) for _ in range(200)]
    assert spread(FarthestPoint().select(view, rng)) > np.quantile(by_chance, 0.98)


def test_random_uses_every_ap_equally_often():
    view, rng, n_trials = make_view(), np.random.default_rng(3), 4000
    count = np.zeros(9)
    for _ in range(n_trials):
        count[Random().select(view, rng).receivers] += 1
    share = 4 / 9
    assert np.all(np.abs(count / n_trials - share) < 4 * math.sqrt(share * (1 - share) / n_trials))


def test_eq_19_by_hand():
    gain = np.array([[1.0, 2.0], [3.0, 0.5], [10.0, 10.0]])
    members = np.array([[True, True, False], [False, False, True]])
    value = gain_ratio_spectral_efficiency(members, gain, 0.25)
    first = math.log2(1 + 16 / (6.25 + 0.25)) + math.log2(1 + 6.25 / (16 + 0.25))
    assert value == pytest.approx([first, 2 * math.log2(1 + 100 / 100.25)])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise_w", [4e-16, 3e-9])
@pytest.mark.parametrize("amplitude", [False, True])
def test_eq_20_adds_the_best_ap_at_each_step(amplitude, noise_w, seed):
    """At the thermal noise and at one that matters, in which the two readings of the noise differ by far."""
    view = make_view(seed=seed)
    view = replace(view, radio=replace(view.radio, noise_power_w=noise_w))
    gain = np.sqrt(view.path_gain) if amplitude else view.path_gain
    noise = view.radio.noise_power_w / view.radio.transmit_power_w
    noise = noise if amplitude else noise**2
    chosen = []
    for _ in range(5):
        values = {}
        for t in set(range(9)) - set(chosen):
            power = gain[[*chosen, t]].sum(axis=0) ** 2
            values[t] = np.log2(1 + power / (power.sum() - power + noise)).sum()
        chosen.append(max(values, key=values.get))
    assignment = CommunicationCentric(amplitude=amplitude).select(view, np.random.default_rng(0))
    assert assignment.transmitters.tolist() == sorted(chosen)


def test_the_noise_of_eq_19_is_negligible_in_the_papers_setting():
    view = make_view(12, 10)
    members = np.random.default_rng(0).random((50, 12)) < 0.5
    noise = (view.radio.noise_power_w / view.radio.transmit_power_w) ** 2
    with_noise, without = (gain_ratio_spectral_efficiency(members, view.path_gain, s) for s in (noise, 1e-300))
    assert with_noise == pytest.approx(without, rel=1e-4)


def true_sum_rate(view, members, channels):
    """Return the sum rate of (7), averaged over channels (n_draws, n_aps, n_ues, N), by the emulator's own function."""
    radio, aps = view.radio, np.flatnonzero(members)
    sensing = (1 - radio.comm_power_fraction) * radio.transmit_power_w * np.eye(len(aps))
    rates = []
    for channel in channels[:, aps]:
        precoding = precoding_matrix(channel, radio.transmit_power_w, radio.comm_power_fraction)
        rates.append(spectral_efficiency(channel, precoding, sensing, radio.noise_power_w).sum())
    return float(np.mean(rates))


def draw_channels(view, n_draws, seed):
    """Return draws of eqs (4)-(5) without targets, shape (n_draws, n_aps, n_ues, N)."""
    rng, network = np.random.default_rng(seed), view.network
    channel = AccessChannel.of(
        network, path_loss=umi_los, rician_k=view.radio.rician_k, angular_std_rad=math.radians(15.0)
    )
    shape = (network.n_ues, network.n_aps, network.n_antennas)
    nothing = (np.empty((0, 2)), np.empty(0), np.empty(0))
    draws = []
    for _ in range(n_draws):
        scattered = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2)
        draws.append(channel.realize(scattered, rng.uniform(-np.pi, np.pi, network.n_ues), *nothing))
    return np.array(draws)


def test_sampled_efficiency_is_eq_7_for_any_set():
    view = make_view()
    channels = draw_channels(view, 3, seed=4)
    members = np.array([np.isin(np.arange(9), chosen) for chosen in ([0, 3, 4], [8], range(9))])
    sampled = SampledEfficiency.of(view, channels).sum_spectral_efficiency(members)
    assert sampled == pytest.approx([true_sum_rate(view, row, channels) for row in members])


@pytest.mark.parametrize(("comm_power_fraction", "low", "high"), [(0.01, 5.0, 8.5), (1.0, 13.0, 18.0)])
def test_sum_rate_spans_the_range_of_the_papers_figure_3c(comm_power_fraction, low, high):
    """N = 2, M_t = 6, K = 10, 30 dBm: the paper's curve goes from near 0 to 15 bit/s/Hz; bands hold layout scatter."""
    rates = []
    for seed in range(12):
        view = make_view(12, 10, 6, seed=seed, n_antennas=2)
        view = replace(view, radio=replace(view.radio, comm_power_fraction=comm_power_fraction))
        assignment = FarthestPoint().select(view, np.random.default_rng(seed))
        transmits = np.isin(np.arange(12), assignment.transmitters)
        rates.append(true_sum_rate(view, transmits, draw_channels(view, 5, seed)))
    assert low < np.mean(rates) < high


def test_greedy_spectral_efficiency_is_near_the_best_of_all_sets():
    view = make_view()
    sampled = SampledEfficiency.draw(view, np.random.default_rng(5), 8, None)
    every = np.array([np.isin(np.arange(9), chosen) for chosen in itertools.combinations(range(9), 5)])
    values = sampled.sum_spectral_efficiency(every)
    chosen = GreedySpectralEfficiency().select(view, np.random.default_rng(5)).transmitters
    value = sampled.sum_spectral_efficiency(np.isin(np.arange(9), chosen)[None])[0]
    assert 0.98 * values.max() <= value <= values.max() + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_exchange_never_loses_and_ends_where_no_swap_gains(seed):
    view = make_view(seed=seed)
    objective = large_scale_efficiency(view).sum_spectral_efficiency
    pool, start = np.arange(9), np.arange(9) < 5
    end = exchange(objective, start, pool)
    value = objective(end[None])[0]
    assert end.sum() == 5
    assert value >= objective(start[None])[0]
    for out, into in itertools.product(np.flatnonzero(end), np.flatnonzero(~end)):
        swapped = end.copy()
        swapped[[out, into]] = False, True
        assert objective(swapped[None])[0] <= value * (1 + 1e-9)


def test_exchange_ends_where_nothing_has_a_value():
    start, answers = np.arange(9) < 5, iter([math.nan] * 100)
    end = exchange(lambda sets: np.full(len(sets), next(answers)), start, np.arange(9))
    np.testing.assert_array_equal(end, start)


def test_grow_and_exchange_stay_inside_the_pool():
    objective = large_scale_efficiency(make_view()).sum_spectral_efficiency
    pool = np.array([1, 2, 6, 8])
    chosen = exchange(objective, grow(objective, 9, pool, 2), pool)
    assert set(np.flatnonzero(chosen)) <= set(pool)
    assert chosen.sum() == 2


@pytest.mark.parametrize("n_draws", [0, 10_001])
def test_channel_draws_out_of_range_are_refused(n_draws):
    with pytest.raises(ValueError, match=f"n_draws is {n_draws}: .* from 1 to 10000"):
        GreedySpectralEfficiency(n_draws=n_draws)


@pytest.mark.parametrize(("n_ues", "comm_power_fraction"), [(1, 0.5), (6, 0.1)])
def test_the_closed_form_ranks_sets_where_sensing_disturbs_most(n_ues, comm_power_fraction):
    """The AP that serves a UE best costs it the slot in which it senses, and no other."""
    every = np.array([np.isin(np.arange(8), chosen) for chosen in itertools.combinations(range(8), 4)])
    for seed in range(4):
        view = make_view(8, n_ues, seed=seed)
        view = replace(view, radio=replace(view.radio, comm_power_fraction=comm_power_fraction))
        truth = SampledEfficiency.of(view, draw_channels(view, 10, seed)).sum_spectral_efficiency(every)
        closed = large_scale_efficiency(view).sum_spectral_efficiency(every)
        assert spearmanr(truth, closed).statistic > 0.9


def rank_correlations(seed):
    """Return the rank correlation with the true sum rate of the closed form and of (19), over 25 random sets."""
    view = make_view(12, 10, 6, seed=seed)
    rng = np.random.default_rng(100 + seed)
    members = np.array([np.isin(np.arange(12), rng.permutation(12)[:6]) for _ in range(25)])
    truth = SampledEfficiency.of(view, draw_channels(view, 100, seed)).sum_spectral_efficiency(members)
    closed = large_scale_efficiency(view).sum_spectral_efficiency(members)
    ratio = gain_ratio_spectral_efficiency(members, view.path_gain, 1e-30)
    return spearmanr(truth, closed).statistic, spearmanr(truth, ratio).statistic


@pytest.mark.slow
def test_the_closed_form_ranks_sets_as_eq_7_does():
    closed, ratio = np.array([rank_correlations(seed) for seed in range(8)]).T
    assert closed.mean() > 0.8
    assert closed.mean() > ratio.mean()


@pytest.mark.slow
def test_selecting_on_the_efficiency_pays():
    """Mean true sum rate over layouts: selectors on (7) and its closed form against farthest-point and chance."""
    selectors = {
        "sampled": GreedySpectralEfficiency(),
        "closed": GreedySurrogate(),
        "farthest": FarthestPoint(),
        "random": Random(),
    }
    rates = {name: [] for name in selectors}
    for seed in range(12):
        view = make_view(12, 10, 6, seed=seed)
        channels = draw_channels(view, 40, seed)
        for name, selector in selectors.items():
            chosen = selector.select(view, np.random.default_rng(seed)).transmitters
            rates[name].append(true_sum_rate(view, np.isin(np.arange(12), chosen), channels))
    mean = {name: np.mean(values) for name, values in rates.items()}
    assert mean["sampled"] > mean["farthest"]
    assert mean["closed"] > mean["farthest"]
    assert mean["sampled"] > mean["random"]
