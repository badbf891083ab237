"""The life of a slot, the rules of the air, and what determinism promises."""

import dataclasses
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.special import gammaincinv

from emulator import SPLITS
from emulator.emission import Emission
from emulator.functional_split import IqSplit, StatisticsSplit
from emulator.media.air import energy_quantile
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.node import EmulationError
from emulator.nodes.target import Target
from emulator.nodes.user_equipment import UserEquipment
from emulator.randomness import Streams, complex_normals
from emulator.trace import Kind
from models.estimation.likelihood import Echoes, noncoherent_power, phasors
from models.estimation.mixture import fit, initial_state
from models.network import Mode
from models.radio.statistics import cross_statistic, energy_statistic, gram_statistic
from tests.outcome import essence

ROOT = Path(__file__).parent.parent


# -- the rules, each with a subclass that tries to break it -----------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class Loudmouth(AccessPoint):
    """Radiates while it listens."""

    def wake(self):
        super().wake()
        if self._mode is Mode.RECEIVE:
            slot = self.plan.slots[0]
            self.services.air.emit(slot, self.name, Emission(np.ones((self.n_antennas, slot.n_snapshots), complex)))


@dataclass(kw_only=True, eq=False)
class Eavesdropper(AccessPoint):
    """Listens while it radiates."""

    def transmit(self, slot):
        emission = super().transmit(slot)
        self.services.air.emit(slot, self.name, emission)
        self.services.air.hear(self.name)
        return None


@dataclass(kw_only=True, eq=False)
class Usurper(AccessPoint):
    """Senses in every slot, and forges the slot to say that it may."""

    def transmit(self, slot):
        return super().transmit(slot._replace(sensing_transmitter=self.name))


@dataclass(kw_only=True, eq=False)
class Overdriven(AccessPoint):
    """Radiates five times its budget."""

    def transmit(self, slot):
        emission = super().transmit(slot)
        return emission._replace(communication=emission.communication * 5.0**0.5)


@pytest.mark.parametrize(
    ("behaviour", "complaint"),
    [
        (Loudmouth, "half-duplex"),
        (Eavesdropper, "half-duplex"),
        (Usurper, "without the token"),
        (Overdriven, "budget"),
    ],
)
def test_a_subclass_cannot_break_a_rule_of_the_air(small, behaviour, complaint):
    emulation = small({"radio.comm_power_fraction": 0.7}).build(access_point=behaviour, estimator=None)
    with pytest.raises(EmulationError, match=complaint) as caught:
        emulation.run(3)
    assert "ap-" in str(caught.value)


def test_the_power_rule_spares_those_who_keep_it(small):
    """A thousand slots at full budget raise no alarm, whatever the split of power."""
    for share in (0.0, 1.0):
        small({"radio.comm_power_fraction": share}).build(estimator=None, scoring=False).run(300)
    assert energy_quantile(10_000) == pytest.approx(10_000, rel=0.1)


@dataclass(kw_only=True, eq=False)
class Sneaky(AccessPoint):
    """Overdrives, but keeps silent whenever the books are looked at first."""

    def transmit(self, slot):
        if slot.position in (0, slot.n_slots - 1):
            return None
        emission = super().transmit(slot)
        return emission._replace(communication=emission.communication * 10.0)


@dataclass(kw_only=True, eq=False)
class Saver(AccessPoint):
    """Spends in its sensing slots what it did not spend in the others."""

    def sensing_waveform(self, slot):
        return super().sensing_waveform(slot) * 4.0**0.5


@dataclass(kw_only=True, eq=False)
class Undefined(AccessPoint):
    """Radiates what is not a number."""

    def transmit(self, slot):
        emission = super().transmit(slot)
        return emission._replace(communication=emission.communication * np.nan)


@dataclass(kw_only=True, eq=False)
class Misshapen(AccessPoint):
    def transmit(self, slot):
        return Emission(np.zeros((2, 2), complex))


@dataclass(kw_only=True, eq=False)
class Truncating(AccessPoint):
    def report(self, slot, echo):
        return echo[:, :1]


@pytest.mark.parametrize(
    ("behaviour", "complaint"),
    [
        (Sneaky, "budget"),
        (Saver, "holds the token.*budget"),
        (Undefined, r"ap-\d\.transmit, slot 0.*not finite"),
        (Misshapen, r"ap-\d\.transmit.*shape \(2, 2\)"),
        (Truncating, r"ap-\d\.report.*shape \(4, 1\)"),
    ],
)
def test_what_cannot_be_radiated_or_reported_is_refused(small, behaviour, complaint):
    with pytest.raises(EmulationError, match=complaint):
        small().build(access_point=behaviour, estimator=None).run(30)


@dataclass(kw_only=True, eq=False)
class Broken(AccessPoint):
    def report(self, slot, echo):
        return echo / self.nothing  # an attribute that does not exist


def test_an_error_in_a_hook_names_node_hook_slot_and_time(small):
    with pytest.raises(EmulationError, match=r"ap-\d\.report, slot 0 \(CPI 0\), t = 240000 ns: AttributeError"):
        small().build(access_point=Broken, estimator=None).run(1)


# -- roles and slots --------------------------------------------------------------------------------------------------


def test_exactly_one_transmitter_senses_in_a_slot_and_receivers_stay_silent(small):
    result = small().build(estimator=None).run(4)
    columns = result.trace.columns()
    for slot in range(4 * 3):
        rows = {kind: columns["node"][(columns["kind"] == kind) & (columns["value"] == slot)] for kind in Kind}
        assert len(rows[Kind.SENSE]) == 1
        assert len(rows[Kind.COMMUNICATE]) == 2
        assert len(rows[Kind.LISTEN]) == 3
        assert not set(rows[Kind.LISTEN]) & {*rows[Kind.SENSE], *rows[Kind.COMMUNICATE]}


def test_the_sensing_token_goes_round_all_transmitters(small):
    emulation = small({"schedule.order": "palindromic"}).build(estimator=None)
    for cpi in emulation.cpis(2):
        plan_names = {emulation.network.ap_names[i] for i in cpi.assignment.transmitters}
        assert len(plan_names) == 3
    senders = result_senders(emulation)
    assert senders[:3] == sorted(senders[:3])
    assert set(senders[:3]) == plan_names
    assert senders[3:6] == senders[2::-1]


def result_senders(emulation):
    columns = emulation.trace.columns()
    return [emulation.trace.nodes[n] for n in columns["node"][columns["kind"] == Kind.SENSE]]


def test_an_ap_without_a_plan_stays_silent_and_that_is_recorded(small):
    scenario = small({"schedule.lead_s": 1e-6, "fronthaul.latency_s": 50e-6, "fronthaul.deadline_s": 6e-5})
    emulation = scenario.build(estimator=None)
    result = emulation.run(2)
    kinds = result.trace.columns()["kind"]
    assert (kinds == Kind.SILENT).sum() == 3 * 6  # the third CPI has begun when the second is published
    assert not np.isin(kinds, [Kind.SENSE, Kind.COMMUNICATE, Kind.LISTEN]).any()
    assert all(cpi.reports_fused == 0 and np.isnan(cpi.peb_m).all() for cpi in result.cpis)
    assert all((cpi.se_bit_s_hz == 0.0).all() for cpi in result.cpis)


@pytest.mark.parametrize("illumination", ["sensing", "full"])
def test_a_network_without_ues_only_senses(small, illumination):
    result = small({"user_equipment.count": 0, "radio.illumination": illumination}).build(estimator=None).run(2)
    assert result.cpis[0].se_bit_s_hz.shape == (0,)
    assert result.cpis[0].reports_fused == 9
    assert np.isfinite(result.cpis[0].peb_m).all()


def test_a_moving_target_is_scored_where_it_was_at_the_middle_of_the_cpi(small):
    overrides = {"targets": [{"position_m": [300.0, 400.0], "velocity_m_s": [1000.0, -500.0]}]}
    emulation = small(overrides).build(estimator=None)
    for cpi in emulation.cpis(3):
        middle_s = (cpi.start_ns + cpi.end_ns) / 2 * 1e-9
        np.testing.assert_allclose(cpi.truth_m[0], [300.0 + 1000.0 * middle_s, 400.0 - 500.0 * middle_s], atol=1e-9)


# -- what the central processor knows ---------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class Recorder(AccessPoint):
    """Keeps what it radiates and hears, to compare with what the central processor made of it."""

    def transmit(self, slot):
        emission = super().transmit(slot)
        self.log_of()[slot.index] = emission
        return emission

    def report(self, slot, echo):
        self.log_of()[slot.index] = echo
        return echo

    def log_of(self):
        return vars(self).setdefault("kept", {})


@pytest.mark.parametrize("illumination", ["sensing", "full"])
@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_the_statistics_are_those_of_what_was_radiated_and_heard(small, split, illumination):
    fine = None if split == "statistics" else partial(IqSplit, iq_bits=24)
    overrides = {"fronthaul.split": split, "radio.illumination": illumination}
    emulation = small(overrides).build(estimator=None, access_point=Recorder, split=fine)
    observation = next(emulation.cpis(1)).observation
    n_slots, length, n = 3, 4, 4
    transmitted = np.zeros((3, n, n_slots * length), complex)
    names = emulation.network.ap_names
    for i, tx in enumerate(observation.assignment.transmitters):
        kept = emulation.access_points[names[tx]].kept
        for position, emission in ((p, kept[p]) for p in range(n_slots)):
            part = emission.total if illumination == "full" else emission.sensing
            if part is not None:
                transmitted[i, :, position * length : (position + 1) * length] = part
    scale = np.abs(gram_statistic(transmitted)).max()
    np.testing.assert_allclose(observation.gram.full()[0], gram_statistic(transmitted), atol=1e-6 * scale)
    for r, rx in enumerate(observation.assignment.receivers):
        kept = emulation.access_points[names[rx]].kept
        received = np.concatenate([kept[position] for position in range(n_slots)], axis=1)
        cross = cross_statistic(received, transmitted)
        np.testing.assert_allclose(observation.cross[r], cross, atol=1e-6 * np.abs(cross).max())
        assert observation.energy[r] == pytest.approx(energy_statistic(received), rel=1e-6)
        assert observation.n_samples[r] == received.size


@dataclass(kw_only=True, eq=False)
class ExactIqAP(AccessPoint):
    """Sends samples as they are."""

    def __post_init__(self):
        if hasattr(self.split, "iq_bits"):
            self.split.iq_bits = None


def test_statistics_split_equals_statistics_formed_from_iq(paper):
    """The two splits bring the same Z, Q and E to 1e-12, and the same positions to 1e-9 m."""
    results = {}
    for split in ("iq", "statistics"):
        emulation = paper({"fronthaul.split": split}).build(seed=3, access_point=ExactIqAP)
        results[split] = next(emulation.cpis(1))
    iq, statistics = results["iq"], results["statistics"]
    both = [(o.cross, o.gram.values, o.energy) for o in (iq.observation, statistics.observation)]
    for a, b in zip(*both, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12 * np.abs(a).max())
    np.testing.assert_array_equal(iq.observation.n_samples, statistics.observation.n_samples)
    assert len(iq.estimate.positions_m) == 2
    np.testing.assert_allclose(iq.estimate.positions_m, statistics.estimate.positions_m, atol=1e-9)
    assert (iq.reports_expected, statistics.reports_expected) == (36, 6)
    assert iq.reports_fused == 36
    assert statistics.reports_fused == 6


@dataclass(kw_only=True, eq=False)
class WithholdingAP(AccessPoint):
    """Keeps one report in ten to itself."""

    def report(self, slot, echo):
        number = int(self.name.removeprefix("ap-"))
        return None if (slot.index * 12 + number) % 10 == 0 else echo


def test_a_missing_report_is_missing_not_zero(paper):
    """Q, the number of samples and the bound follow what came; without noise the statistics still match the model."""
    whole = next(paper().build(seed=1, estimator=None).cpis(1))
    part = next(paper().build(seed=1, estimator=None, access_point=WithholdingAP).cpis(1))
    assert part.reports_fused < whole.reports_fused
    lost = whole.reports_fused - part.reports_fused
    assert whole.observation.n_samples.sum() - part.observation.n_samples.sum() == lost * 8 * 10
    assert whole.observation.gram.shared
    assert not part.observation.gram.shared
    trace, full = part.observation.gram.traces.sum(axis=1), whole.observation.gram.traces.sum()
    assert (trace <= full * (1 + 1e-12)).all()
    assert (part.peb_m > whole.peb_m).all()
    assert (part.peb_m < 1.3 * whole.peb_m).all()


def test_missing_reports_leave_the_coherent_fit_a_fit(paper):
    """The structured misfit stays at its nominal level; had every receiver the full Q, it would be hundreds."""
    overrides = {"radio.transmit_power_dbm": 40.0, "targets": [{"position_m": [500.0, 450.0]}]}
    cpi = next(paper(overrides).build(seed=1, access_point=WithholdingAP).cpis(1))
    observation, position = cpi.observation, cpi.estimate.positions_m[:1]
    assert cpi.score.status == ("resolved",)
    assert cpi.score.error_m[0] < 5 * cpi.peb_m[0]
    full = next(paper(overrides).build(seed=1, estimator=None).cpis(1)).observation
    wrong = dataclasses.replace(observation, gram=full.gram)
    misfits = []
    for statistics in (observation, wrong):
        echoes = Echoes.of(statistics)
        structured = fit(echoes, "structured", initial_state("structured", position)[None]).power[0]
        misfits.append(noncoherent_power(echoes, phasors(statistics.network, position))[0] - structured)
    low, high = gammaincinv(35, [1e-4, 1 - 1e-4])
    assert low < misfits[0] < high
    assert misfits[1] > 5 * high


def test_a_silent_transmitter_leaves_its_slots_out(small):
    """What a transmitter radiated is known only from its record; an AP that sends none takes its slot with it."""

    class Secretive(AccessPoint):
        def _send(self, message):
            if type(message).__name__ != "TransmissionRecord":
                super()._send(message)

    first = next(small().build(estimator=None).cpis(1))
    name = f"ap-{first.assignment.transmitters[0]}"
    second = next(small().build(estimator=None, access_points={name: Secretive}).cpis(1))
    assert (first.reports_fused, second.reports_fused) == (9, 6)


# -- determinism ------------------------------------------------------------------------------------------------------


def reversed_start(scenario, **keys):
    """Build with all nodes started in the opposite order."""
    emulation = scenario.build(**keys)
    emulation.nodes = dict(reversed(emulation.nodes.items()))
    return emulation


def test_the_order_in_which_nodes_start_does_not_matter(small):
    assert essence(small().build().run(3)) == essence(reversed_start(small()).run(3))


def test_tracing_changes_nothing_but_the_trace(small):
    on, off = small().build(tracing=True).run(3), small().build(tracing=False).run(3)
    assert off.trace is None
    assert essence(on)[0] == essence(off)[0]


def test_the_hash_seed_does_not_matter():
    code = (
        "from tests.test_emulator import essence; from tests.conftest import SMALL\n"
        "from scenarios.file.files import load\n"
        "import hashlib; text, trace = essence(load('paper', SMALL).build().run(2))\n"
        "print(hashlib.sha256(text.encode() + trace).hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True, cwd=ROOT,
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(outputs) == 1
    assert len(outputs.pop().strip()) == 64


@dataclass(kw_only=True, eq=False)
class Listener(UserEquipment):
    def receive(self, slot, samples):
        vars(self).setdefault("kept", []).append(samples)


def test_one_more_ue_shifts_nobodys_random_numbers(small):
    """Echoes depend on sensing waveform and noise alone, so they stay the same to the last bit."""
    some, more = (next(small({"user_equipment.count": n}).build(estimator=None).cpis(1)).observation for n in (3, 4))
    np.testing.assert_array_equal(some.cross, more.cross)
    a, b = (small({"user_equipment.count": n}).build(estimator=None) for n in (3, 4))
    a.run(1), b.run(1)
    np.testing.assert_array_equal(a.air.truth(1).channel, b.air.truth(1).channel[:, :3])
    np.testing.assert_array_equal(a.air.truth(1).ue_noise, b.air.truth(1).ue_noise[:3])


def test_roles_shift_nobodys_random_numbers(small):
    """An AP hears the same noise whoever else listens."""
    noise = []
    for receivers, transmitters in (([0, 1, 2], [3, 4, 5]), ([0, 4, 5], [1, 2, 3])):
        overrides = {"selector.kind": "fixed", "selector.receivers": receivers, "selector.transmitters": transmitters,
                     "targets": []}  # fmt: skip
        emulation = small(overrides).build(estimator=None, access_point=Recorder)
        emulation.run(1)
        noise.append(emulation.access_points["ap-0"].kept[2])
    np.testing.assert_array_equal(*noise)


@pytest.mark.parametrize("seed", [-1, 2**64, 10**5000, -(10**5000), 1.0, True], ids=range(6))
def test_a_seed_that_is_none_is_refused_at_once(seed):
    with pytest.raises(ValueError, match=r"seed = .*: give a whole number >= 0 and <= 2\^64 - 1"):
        Streams(seed)


def test_streams_are_addressed_by_seed_node_purpose_and_counter():
    addresses = [(1, "a", "x", 0), (2, "a", "x", 0), (1, "b", "x", 0), (1, "a", "y", 0), (1, "a", "x", 1)]
    draws = {address: Streams(address[0]).generator(*address[1:]).normal() for address in addresses}
    assert len(set(draws.values())) == len(addresses)
    streams = Streams(1)
    for _, node, purpose, counter in addresses[2:]:
        streams.generator(node, purpose, counter).normal(size=7)
    assert streams.generator("a", "x", 0).normal() == draws[addresses[0]]


def test_complex_normals_have_the_power_asked_for():
    samples = complex_normals(np.random.default_rng(1), 400, 500, power=3.0)
    mean = np.mean(np.abs(samples) ** 2)
    assert abs(mean - 3.0) < 4 * 3.0 / samples.size**0.5
    assert abs(np.mean(samples**2)) < 4 * 3.0 * (2 / samples.size) ** 0.5


# -- extension --------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class DutyCycled(AccessPoint):
    period: int = 2

    def report(self, slot, echo):
        return None if slot.index % self.period else super().report(slot, echo)


def test_one_node_of_another_class(small):
    first = next(small().build(estimator=None).cpis(1))
    name = f"ap-{first.assignment.receivers[0]}"
    result = small().build(estimator=None, access_points={name: partial(DutyCycled, period=3)}).run(1)
    assert result.cpis[0].reports_fused == 7


@pytest.mark.parametrize(
    ("common", "odd"),
    [("iq", partial(StatisticsSplit, illumination="sensing")), ("statistics", partial(IqSplit, iq_bits=None))],
)
def test_splits_may_be_mixed(small, common, odd):
    """One AP with another split changes how its reports travel, not what is fused of them."""
    scenario = small({"fronthaul.split": common})
    plain = next(small().build(estimator=None, split=partial(IqSplit, iq_bits=None)).cpis(1))
    name = f"ap-{plain.assignment.receivers[0]}"
    overrides = {name: partial(AccessPoint, split=odd())}
    mixed = next(scenario.build(estimator=None, access_points=overrides).cpis(1))
    np.testing.assert_allclose(mixed.observation.cross, plain.observation.cross, rtol=1e-3, atol=1e-12)
    np.testing.assert_array_equal(mixed.observation.n_samples, plain.observation.n_samples)
    assert mixed.reports_fused == mixed.reports_expected == {"iq": 7, "statistics": 5}[common]


@dataclass(kw_only=True, eq=False)
class Deaf(AccessPoint):
    def on_message(self, message):
        raise KeyError("what")


@dataclass(kw_only=True, eq=False)
class Noncommittal(AccessPoint):
    def report(self, slot, echo):
        return echo * np.nan


@pytest.mark.parametrize(
    ("behaviour", "name"), [(Deaf, r"ap-\d\.on_message"), (Noncommittal, r"ap-\d\.report.*Noncommittal.*not finite")]
)
def test_an_error_in_another_hook_names_the_node(small, behaviour, name):
    with pytest.raises(EmulationError, match=name):
        small().build(access_point=behaviour, estimator=None).run(1)


@pytest.mark.parametrize("split", SPLITS)
def test_a_slow_fronthaul_delays_and_loses_nothing(small, split):
    """Latency of several CPIs, with a lead and a deadline to match."""
    overrides = {"fronthaul.split": split, "fronthaul.latency_s": 1e-3, "fronthaul.deadline_s": 8e-3,
                 "schedule.lead_s": 2e-3}  # fmt: skip
    overrides |= {"estimator.kind": "map"} if split == "summed-map" else {}
    result = small(overrides).build(estimator=None).run(3)
    assert all(cpi.reports_fused == cpi.reports_expected for cpi in result.cpis)


def test_a_receiver_reports_on_the_slots_whose_waveform_it_knows(small):
    """A lost record costs its slot, with either split."""

    @dataclass(kw_only=True, eq=False)
    class Secretive(AccessPoint):
        def _send(self, message):
            if type(message).__name__ != "TransmissionRecord":
                super()._send(message)

    observations = []
    for split in (partial(IqSplit, iq_bits=None), partial(StatisticsSplit, illumination="sensing")):
        first = next(small().build(estimator=None).cpis(1))
        name = f"ap-{first.assignment.transmitters[1]}"
        emulation = small().build(estimator=None, split=split, access_points={name: Secretive})
        observations.append(next(emulation.cpis(1)).observation)
    iq, statistics = observations
    np.testing.assert_array_equal(iq.n_samples, statistics.n_samples)
    assert (iq.n_samples == 2 * 4 * 4).all()
    np.testing.assert_allclose(iq.cross, statistics.cross, atol=1e-12 * np.abs(iq.cross).max())


def test_an_ap_that_stays_silent_is_given_a_rest(small):
    class Dead(AccessPoint):
        def _send(self, message):
            pass

    first = next(small().build(estimator=None).cpis(1))
    index = int(first.assignment.transmitters[0])
    emulation = small({"fronthaul.deadline_s": 4e-5}).build(estimator=None, access_points={f"ap-{index}": Dead})
    modes = [cpi.assignment.modes[index] for cpi in emulation.cpis(9)]
    assert modes[:3] == [Mode.TRANSMIT] * 3
    assert Mode.IDLE in modes
    assert Mode.TRANSMIT in modes[modes.index(Mode.IDLE) :]


def test_a_result_prints_as_one_line(small):
    text = repr(small().build().run(2))
    assert len(text) < 200
    assert "2 CPIs" in text


def test_an_ap_that_is_not_there_cannot_be_replaced(small):
    with pytest.raises(ValueError, match="ap-9"):
        small().build(access_points={"ap-9": DutyCycled})


@dataclass(kw_only=True, eq=False)
class Blinking(Target):
    def scatter(self, cpi):
        return super().scatter(cpi) if cpi % 2 == 0 else 0j


def test_a_target_may_fluctuate(small):
    loud = small({"radio.transmit_power_dbm": 45})
    power = [cpi.observation.energy.sum() for cpi in loud.build(estimator=None, target=Blinking).cpis(4)]
    assert min(power[0], power[2]) > 1.5 * max(power[1], power[3])


def test_energy_of_a_transmission_is_the_budget(paper):
    """Eq. (1): E||x_t||^2 = rho P + (1 - rho) delta P, within four standard errors."""
    emulation = paper({"radio.comm_power_fraction": 0.3}).build(estimator=None, scoring=False, access_point=Recorder)
    emulation.run(150)
    emissions = [e for ap in emulation.access_points.values() for e in ap.log_of().values() if isinstance(e, Emission)]
    for with_token, power_w in ((True, 1.0), (False, 0.3)):
        chosen = [e.total for e in emissions if (e.sensing is not None) is with_token]
        energies = [np.sum(np.abs(total) ** 2) / total.shape[1] for total in chosen]
        assert abs(np.mean(energies) - power_w) < 4 * np.std(energies) / len(energies) ** 0.5


def test_guard_symbols_are_overhead_of_the_spectral_efficiency(small):
    """Four snapshots and two guard symbols: two thirds of the same mean over the slots."""
    whole, guarded = (small({"schedule.guard_symbols": n}).build(seed=3, estimator=None).run(2) for n in (0, 2))
    assert whole.cpis[0].se_bit_s_hz.sum() > 1.0
    for plain, less in zip(whole.cpis, guarded.cpis, strict=True):
        np.testing.assert_allclose(less.se_bit_s_hz, plain.se_bit_s_hz * 4 / 6, rtol=1e-12)


def test_all_are_asked_what_they_radiate_before_anybody_does(small):
    seen = []

    class Asked(AccessPoint):
        def transmit(self, slot):
            seen.append((slot.index, self.name, dict(self.services.air._emitted)))
            return super().transmit(slot)

    emulation = small().build(estimator=None, access_point=Asked)
    emulation.run(2)
    assert {index for index, _, _ in seen} >= set(range(6))
    assert all(not emitted for _, _, emitted in seen)
