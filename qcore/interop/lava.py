"""Settings and weights of lava's fixed-point LIF, as this network's own.

The rules of both are set side by side in ``docs/arithmetic.md``. Nothing of lava is needed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import SpecError

ALIGN = 6
"""lava shifts activations and thresholds left by 6 bits, to stand beside 24-bit states."""

DS_OFFSET = 1
"""lava adds one to the decay of the current (``ds_offset``), none to the membrane's."""

MOST_EXPONENT = 14

Values = int | Sequence[int]


def lava_settings(
    du: Values,
    dv: Values,
    vth: Values,
    *,
    bias_mant: Values = 0,
    bias_exp: int = 0,
    refractory_period: int = 0,
) -> dict[str, Any]:
    """Translate the parameters of lava's ``LIF`` to settings of a layer.

    Parameters
    ----------
    du, dv
        Decays of current and membrane, 0 to 4,095, of one kind or by channel. (lava-dl's
        ``iDecay`` is ``du + 1``, its ``vDecay`` is ``dv``.)
    vth
        Threshold mantissa, 1 to 131,071 (lava-dl's ``vThMant``).
    bias_mant, bias_exp
        The bias is ``bias_mant * 2**bias_exp``, rounded down; mantissa -4,096 to 4,095, exponent
        -7 to 7.
    refractory_period
        Ticks for which a membrane rests at zero after a spike (``LIFRefractory``); ``LIF`` has
        none.

    Returns
    -------
    dict
        ``decay_u``, ``decay_v``, ``threshold``, ``bias``, ``reset`` and ``refractory_ticks`` of a
        :class:`LayerSpec`. The exponent comes with the weights, from :func:`lava_weights`.

    Raises
    ------
    SpecError
        If a value is outside lava's range.
    """
    exponent = _whole("bias_exp", bias_exp, -7, 7)[0]
    biases = [
        m << exponent if exponent >= 0 else m >> -exponent
        for m in _whole("bias_mant", bias_mant, -4096, 4095)
    ]
    return {
        "decay_u": _one_or_all([d + DS_OFFSET for d in _whole("du", du, 0, 4095)]),
        "decay_v": _one_or_all(_whole("dv", dv, 0, 4095)),
        "threshold": _one_or_all([v << ALIGN for v in _whole("vth", vth, 1, 131_071)]),
        "bias": _one_or_all(biases),
        "reset": "zero",
        "refractory_ticks": _whole("refractory_period", refractory_period, 0, 1000)[0],
    }


def lava_weights(
    weights: npt.NDArray[np.integer[Any]], weight_exp: int = 0
) -> tuple[npt.NDArray[np.int8], int]:
    """Translate lava's weights to 8-bit weights and the layer's exponent, without losing a bit.

    lava's 8-bit weights of mixed sign are even, -256 to 254; here they are half of that, and the
    exponent one more. In general all powers of two that the weights share go to the exponent.

    Parameters
    ----------
    weights
        Integers of any shape, as lava uses them, that is, after its clipping and truncation.
    weight_exp
        lava's weight exponent.

    Returns
    -------
    weights
        int8, of the same shape.
    exponent
        The layer's ``exponent``.

    Raises
    ------
    SpecError
        If the weights need more than 8 bits, or lava's ``weight_exp`` drops bits of their sums,
        or the exponent is out of range.
    """
    values = np.asarray(weights)
    if not np.issubdtype(values.dtype, np.integer):
        raise SpecError(f"lava's weights are {values.dtype}; they have to be whole numbers.")
    values = values.astype(np.int64)
    shared = int(np.bitwise_or.reduce(values, axis=None, initial=0))
    # The lowest bit set in any weight; without one, every exponent is right.
    common = (shared & -shared).bit_length() - 1 if shared else max(0, -weight_exp)
    if weight_exp < 0 and common < -weight_exp:
        raise SpecError(
            f"weight_exp is {weight_exp}, and the weights are multiples of {2**common} only: lava "
            "would drop bits of their sums, which this network keeps."
        )
    halved = values >> common
    if halved.size and (halved.min() < -128 or halved.max() > 127):
        raise SpecError(
            f"lava's weights run from {values.min()} to {values.max()} in steps of {2**common}; "
            "here they have 8 bits with a sign."
        )
    exponent = ALIGN + weight_exp + common
    if not 0 <= exponent <= MOST_EXPONENT:
        raise SpecError(
            f"weight_exp is {weight_exp}, which needs an exponent of {exponent}; "
            f"allowed are 0 to {MOST_EXPONENT}."
        )
    return halved.astype(np.int8), exponent


def _whole(name: str, value: Values, low: int, high: int) -> list[int]:
    values = [int(v) for v in np.atleast_1d(np.asarray(value))]
    exact = np.issubdtype(np.asarray(value).dtype, np.integer)
    if not exact or not values or min(values) < low or max(values) > high:
        raise SpecError(f"lava's {name} is {value!r}; allowed are whole numbers {low} to {high}.")
    return values


def _one_or_all(values: list[int]) -> int | list[int]:
    return values[0] if len(values) == 1 else values
