"""Schedule of a training: the layers' step and the readout's shift, by how much is learned."""

from __future__ import annotations

from spikewire.qcore.network.spec import ROUNDS, NetworkSpec, Widths

WIDEST_STORE = 16


def fine_step(spec: NetworkSpec, step: int) -> int:
    """Return a step in the unit of the layer table.

    Parameters
    ----------
    spec
        The network. Version 1 counts steps in sixteenths of an LSB of its own store. Version 2
        counts them in sixteenths of an LSB of the base store, and the table in those of the widest
        one, so that no step of a schedule is lost at a narrow one.
    step
        As ``learning.step``.
    """
    return step << (WIDEST_STORE - Widths().store) if spec.version >= ROUNDS else step


def step_after(spec: NetworkSpec, done: int, total: int) -> int:
    """Return the layers' step after ``done`` of ``total`` portions, in the unit of the table."""
    first, last = (fine_step(spec, one) for one in (spec.learning.step, spec.learning.last_step))
    return first + (last - first) * done // max(total, 1)


def shift_after(spec: NetworkSpec, done: int, total: int) -> int:
    """Return the readout's shift after ``done`` of ``total`` portions; the first one after all."""
    read = spec.readout
    # Doubled, so that the quotient is rounded.
    doubled = (read.last_shift - read.shift) * (done % max(total, 1)) * 2 + total
    return read.shift + doubled // max(2 * total, 1)
