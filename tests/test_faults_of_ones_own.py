"""Hooks of faults, oscillators and servos that return what they must not: one error that names who, what and when."""

from dataclasses import dataclass

import numpy as np
import pytest

from emulator.faults import LinkDown, Rubbish, Tampering
from emulator.front_end import Corrected, FrontEnd, Wander
from emulator.randomness import Streams
from emulator.slot import Frame
from models.calibration import Immediate
from models.doors import DoorError
from models.oscillators import Static

LINK, AP = "ap-0->central", "ap-0"
FRAME = Frame(slot_ns=100_000, n_slots=6, n_snapshots=10, lead_ns=200_000, deadline_ns=500_000)


def giving(base, method, gives):
    """Return a class of a fault, oscillator or servo of one's own whose method gives this."""

    def hook(self, *args):
        if isinstance(gives, Exception):
            raise gives
        return gives

    return dataclass(frozen=True, kw_only=True)(type("Odd", (base,), {method: hook}))


@pytest.mark.parametrize(
    ("base", "method", "gives", "words"),
    [
        (Tampering, "heard", None, "fault Odd.heard returned None; expected finite samples of shape"),
        (Tampering, "heard", np.zeros(3), "fault Odd.heard returned .*; expected finite samples of shape"),
        (Tampering, "heard", KeyError("x"), "fault Odd.heard: KeyError: 'x'"),
        (Tampering, "sent", None, "fault Odd.sent returned None; expected a Message"),
        (LinkDown, "changed", 3, "fault Odd.changed returned 3; expected what the edge says, as a dict"),
        (LinkDown, "end_ns", "soon", "fault Odd.end_ns returned 'soon'; expected a whole number of ns, or None"),
        (Rubbish, "next_ns", 1.5, "fault Odd.next_ns returned 1.5; expected a whole number of ns, or None"),
        (Rubbish, "known", None, "fault Odd.known returned None; expected the names of all that could have it"),
    ],
)
def test_what_a_fault_of_ones_own_returns_is_checked(small, base, method, gives, words):
    where = {"link": LINK} if base is LinkDown else {"node": AP}
    kind = giving(base, method, gives)
    scenario = small()
    receivers = scenario.build(seed=1).run(1).cpis[0].assignment.receivers
    if base is not LinkDown:
        where = {"node": f"ap-{receivers[0]}"}
    with pytest.raises(Exception, match=words):
        scenario.build(seed=1, faults=[kind(at_s=0.0, **where)]).run(2)


@pytest.mark.parametrize(
    ("method", "gives", "words"),
    [
        ("initial", None, "oscillator Odd.initial returned None; expected an OscillatorState"),
        ("advance", None, "oscillator Odd.advance returned None; expected a phase after each of 96 steps, and an Osc"),
        ("advance", (np.zeros(3), Static(phase_std_rad=1.0).initial(np.random.default_rng(0), 1e9)), "of shape .96,"),
    ],
)
def test_what_an_oscillator_of_ones_own_returns_is_checked(method, gives, words):
    law = giving(Static, method, gives)(phase_std_rad=1.0)
    end = FrontEnd(oscillator=law, carrier_hz=3.5e9, reference=AP)
    with pytest.raises(DoorError, match=words):
        Wander().on_to(0, end, FRAME, Streams(1).generator)


@pytest.mark.parametrize("gives", [None, -1.0, np.nan, np.zeros(2)])
def test_the_variance_that_an_oscillator_of_ones_own_tells_is_checked(gives):
    law = giving(Static, "phase_variance_rad2", gives)(phase_std_rad=1.0)
    end = FrontEnd(oscillator=law, carrier_hz=3.5e9, reference=AP)
    with pytest.raises(DoorError, match=r"oscillator Odd.phase_variance_rad2 returned .*; expected a finite variance"):
        end.drift_rad2(1.0)


def test_what_a_servo_of_ones_own_returns_is_checked():
    with pytest.raises(DoorError, match=r"servo Odd.update returned None; expected a ServoState"):
        Corrected().updated(giving(Immediate, "update", None)(), 1, np.zeros(2))
    with pytest.raises(DoorError, match=r"servo Odd.predict returned None; expected finite phases in rad of shape"):
        Corrected().expected_rad(giving(Immediate, "predict", None)(), FRAME, 0)
