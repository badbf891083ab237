"""Effects of the air: one contract over all that are registered, and what each is for."""

from types import SimpleNamespace

import numpy as np
import pytest

from emulator.emission import Emission
from emulator.media import EFFECTS
from emulator.media.truth import CpiTruth
from emulator.randomness import Streams, complex_normals
from emulator.slot import Frame
from models.network import Network
from scenarios.file.plugins import make

SETTINGS = {"target-echoes": {"illumination": "full"}, "direct-paths": {}}
"""Settings of every effect that is registered, for the contract."""

FRAME = Frame(slot_ns=100, n_slots=2, n_snapshots=6, lead_ns=0, deadline_ns=0)
NETWORK = Network(
    ap_names=("ap-0", "ap-1", "ap-2", "ap-3"),
    ap_positions_m=np.array([[0.0, 0.0], [300.0, 10.0], [40.0, 250.0], [280.0, 260.0]]),
    boresights_rad=np.array([0.3, 2.0, -0.4, -2.2]),
    n_antennas=3,
    carrier_hz=3.5e9,
    ue_names=(),
    ue_positions_m=np.empty((0, 2)),
)
SLOT = FRAME.slots(0, ("ap-0", "ap-2"))[1]
RECEIVERS = (1, 3)
FIELD_SHAPE = (len(RECEIVERS), NETWORK.n_antennas, FRAME.n_snapshots)

contract = pytest.mark.parametrize("name", EFFECTS)


def truth_of(places_m):
    """Return the truth of a CPI with targets that move from slot to slot, shape (n_slots, n_targets, 2)."""
    reflection = np.exp(1j * np.arange(places_m.shape[1])) * 0.02
    none = np.empty((4, 0, 3), dtype=complex)
    return CpiTruth(channel=none, places_m=places_m, reflection=reflection, ue_noise=np.empty((0, 12), dtype=complex))


IN_PILOTS = {"direct-paths"}
"""Effects that are there in the slots of pilots alone."""


def slot_of(name):
    return SLOT._replace(is_pilot=name in IN_PILOTS)


TWO = truth_of(np.array([[[100.0, 100.0], [200.0, 40.0]], [[100.5, 100.0], [200.0, 41.0]]]))


def radiated(with_data=True):
    """Return what ap-0 and ap-2 radiate: data both, and ap-2, which holds the token, the sensing waveform too."""
    rng = np.random.default_rng(7)
    data, more, sensing = (complex_normals(rng, NETWORK.n_antennas, FRAME.n_snapshots) for _ in range(3))
    both = Emission(more if with_data else None, sensing)
    first = [(0, (Emission(data), data))] if with_data else []
    return [*first, (2, (both, both.total))]


def started(name, **settings):
    effect = make(name, EFFECTS, SETTINGS[name] | settings)
    air = SimpleNamespace(network=NETWORK)
    effect.start(SimpleNamespace(network=NETWORK, air=air, frame=FRAME, now_ns=0, generator=Streams(1).generator))
    return effect


def test_every_effect_keeps_the_contract():
    assert set(SETTINGS) == set(EFFECTS), "add the settings of the new effect to SETTINGS"


@contract
def test_contract_a_field_at_every_antenna(name):
    field = started(name).field(slot_of(name), TWO, radiated(), RECEIVERS)
    assert field.shape == FIELD_SHAPE
    assert np.all(np.isfinite(field))
    assert np.any(field != 0.0)


@contract
def test_contract_the_same_again_from_a_used_and_from_a_fresh_one(name):
    effect = started(name)
    first, again = (effect.field(slot_of(name), TWO, radiated(), RECEIVERS).tobytes() for _ in range(2))
    other = truth_of(TWO.places_m + 1.0)
    used = started(name)
    used.field(FRAME.slots(0, ("ap-0", "ap-2"), name in IN_PILOTS)[0], other, radiated(), (3,))
    assert first == again == used.field(slot_of(name), TWO, radiated(), RECEIVERS).tobytes()


@contract
def test_contract_a_receiver_hears_the_same_whoever_else_listens(name):
    together = started(name).field(slot_of(name), TWO, radiated(), RECEIVERS)
    alone = started(name).field(slot_of(name), TWO, radiated(), RECEIVERS[1:])
    np.testing.assert_allclose(alone[0], together[1], rtol=1e-12)


@pytest.mark.parametrize("illumination", ["sensing", "full"])
def test_eq_2_echoes_are_the_sum_over_targets_and_transmitters(illumination):
    wavenumber, places = 2 * np.pi / NETWORK.wavelength_m, TWO.places_m[SLOT.position]

    def steering(ap, place):
        """Half a wavelength between antennas, phases from the first on."""
        away = place - NETWORK.ap_positions_m[ap]
        sine = np.sin(np.arctan2(away[1], away[0]) - NETWORK.boresights_rad[ap])
        distance = np.hypot(*away)
        phases = np.pi * np.arange(3) * sine
        return np.exp(1j * phases), np.exp(-1j * wavenumber * distance) / distance

    expected = np.zeros(FIELD_SHAPE, dtype=complex)
    for i, receiver in enumerate(RECEIVERS):
        for transmitter, (emission, total) in radiated():
            samples = total if illumination == "full" else emission.sensing
            for place, reflection in zip(places, TWO.reflection, strict=True):
                (back, back_path), (out, out_path) = (steering(ap, place) for ap in (receiver, transmitter))
                if samples is not None:
                    expected[i] += reflection * back_path * out_path * np.outer(back, out @ samples)
    field = started("target-echoes", illumination=illumination).field(SLOT, TWO, radiated(), RECEIVERS)
    # Phases of some 1e4 rad in double precision: their last digit is 2e-12.
    np.testing.assert_allclose(field, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_there_is_no_echo_without_a_target_or_without_light():
    echoes = started("target-echoes", illumination="sensing")
    assert echoes.field(SLOT, truth_of(np.empty((2, 0, 2))), radiated(), RECEIVERS) is None
    assert echoes.field(SLOT, TWO, [], RECEIVERS) is None
    assert echoes.field(SLOT, TWO, radiated()[:1], RECEIVERS) is None, "data alone do not light up under sensing"
