"""Eq. (7) against the samples that the UEs of an emulation receive."""

from dataclasses import dataclass

import numpy as np
import pytest

from emulator.nodes.user_equipment import UserEquipment
from emulator.payload import draw_payload, symbols
from models.radio.efficiency import sinr

N_SNAPSHOTS = 100_000


@dataclass(kw_only=True, eq=False)
class MeasuringUE(UserEquipment):
    """Keeps the samples of the first CPI."""

    def receive(self, slot, samples):
        if slot.cpi == 0:
            vars(self).setdefault("kept", []).append(samples)


def measured(samples, own_symbols, length):
    """SINR from samples and own symbols, unbiased, with its standard error."""
    gain = np.vdot(own_symbols, samples) / np.vdot(own_symbols, own_symbols).real
    residual = np.mean(np.abs(samples - gain * own_symbols) ** 2)
    wanted = np.abs(gain) ** 2 - residual / length
    ratio = wanted / residual
    variance = (1.0 + 2.0 * abs(ratio) * length + ratio**2 * length) / length**2
    return ratio, variance**0.5


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_eq_7_holds_for_the_samples_of_every_ue_and_slot(small, share):
    overrides = {"schedule.snapshots_per_slot": N_SNAPSHOTS, "radio.comm_power_fraction": share, "schedule.lead_s": 1.0}
    emulation = small(overrides).build(seed=5, estimator=None, scoring=False, user_equipment=MeasuringUE)
    truths, score = [], emulation.on_publish
    emulation.on_publish = lambda inbox, *found: [
        truths.append(emulation.air.truth(inbox.plan.cpi)), score(inbox, *found)]  # fmt: skip
    next(emulation.cpis(1))
    frame, truth = emulation.frame, truths[0]
    payload = draw_payload(emulation.streams.generator("central", "payload", 0), 3, frame.n_samples, 2.0)
    data = symbols(payload, frame.n_samples).reshape(3, frame.n_slots, N_SNAPSHOTS)
    expected = sinr(truth.channel, truth.precoding(), truth.sensing_power_w(), emulation.central.radio.noise_power_w)
    assert expected.shape == (3, 3)
    for k, ue in enumerate(emulation.user_equipments.values()):
        for slot, samples in enumerate(ue.kept):
            ratio, error = measured(samples, data[k, slot], N_SNAPSHOTS)
            assert abs(ratio - expected[slot, k]) < 4 * error
    assert bool(expected.max() == 0.0) is (share == 0.0)
