"""Distortions of recorded events, as sensors of other makes, ages and settings differ.

Simulated people are seen by one kind of sensor. A network that learns from them alone takes that
sensor's rate for part of a gesture. Here events are thinned, one polarity more than the other,
noise is added, and some pixels fire by themselves. All draws are integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Fields = tuple[
    npt.NDArray[np.int64], npt.NDArray[np.uint16], npt.NDArray[np.uint16], npt.NDArray[np.uint8]
]
"""Times, columns, rows and polarities of events, in time order."""

DISTORTIONS = ("sensor",)
"""Names of the kinds of distortion."""

ONE = 1 << 16
"""All events, as a share."""

_PERCENT = (100, 80, 64, 51, 41, 33, 26, 21, 17, 13, 11, 8, 6, 5)
_IMBALANCE_PERCENT = (100, 100, 100, 80, 60, 45, 30)
_NOISE_HZ = (0, 0, 250, 500, 1_000, 2_000, 4_000, 8_000)
_MOST_HOT = 6
_HOT_HZ = (20, 50, 100, 200, 500)
_EMPTY_HZ = (500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000)


@dataclass(frozen=True, slots=True)
class Distortion:
    """One sensor's differences from the simulated one.

    Attributes
    ----------
    keep
        Shares of the off and on events that are kept, in 1/65536.
    noise_hz
        Noise events per second, over all pixels.
    hot
        Number of pixels that fire by themselves.
    hot_hz
        Events per second of each of them.
    """

    keep: tuple[int, int] = (ONE, ONE)
    noise_hz: int = 0
    hot: int = 0
    hot_hz: int = 0


def draw_distortion(rng: np.random.Generator) -> Distortion:
    """Draw a sensor: from 5 to 100 % of the events, more or less balanced, noisy, with hot pixels.

    Shares are drawn evenly on a logarithmic scale. The weaker polarity has down to 30 % of the
    share of the other.
    """
    share = _PERCENT[rng.integers(len(_PERCENT))] * ONE // 100
    weaker = share * _IMBALANCE_PERCENT[rng.integers(len(_IMBALANCE_PERCENT))] // 100
    keep = (share, weaker) if rng.integers(2) else (weaker, share)
    return _draw_own_events(rng, keep, _NOISE_HZ)


def draw_empty_scene(rng: np.random.Generator) -> Distortion:
    """Draw a sensor that sees nothing: noise of 0.5 to 64 kev/s, evenly on a logarithmic scale."""
    return _draw_own_events(rng, (0, 0), _EMPTY_HZ)


def _draw_own_events(
    rng: np.random.Generator, keep: tuple[int, int], noise_hz: tuple[int, ...]
) -> Distortion:
    """Draw the noise and the hot pixels of a sensor that keeps these shares."""
    return Distortion(
        keep=keep,
        noise_hz=noise_hz[rng.integers(len(noise_hz))],
        hot=int(rng.integers(_MOST_HOT + 1)),
        hot_hz=_HOT_HZ[rng.integers(len(_HOT_HZ))],
    )


def distort(
    events: Fields,
    distortion: Distortion,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    span: int,
    unit_us: int = 1,
) -> Fields:
    """Distort events.

    Parameters
    ----------
    events
        Times, columns, rows and polarities, in time order.
    distortion
        The sensor.
    rng
        Draws the events that are lost and those that are added.
    size
        (width, height) of the plane in pixels.
    span
        Length of the recording; added events lie within it.
    unit_us
        Unit of the times and of ``span``, in microseconds.

    Returns
    -------
    tuple
        The same arrays, in time order, of the events that are left and added.
    """
    t, x, y, p = events
    share = np.array(distortion.keep, np.int64)
    kept = rng.integers(0, ONE, len(t)) < share[p]
    span_us = span * unit_us
    noise = distortion.noise_hz * span_us // 1_000_000
    each = distortion.hot_hz * span_us // 1_000_000
    hot = distortion.hot * each
    places = rng.integers(0, size[0] * size[1], noise + distortion.hot)
    places = np.concatenate((places[:noise], np.repeat(places[noise:], each)))
    times = rng.integers(0, max(span, 1), noise + hot)
    # A hot pixel fires with one polarity.
    polarity = rng.integers(0, 2, noise + distortion.hot)
    polarity = np.concatenate((polarity[:noise], np.repeat(polarity[noise:], each)))
    all_t = np.concatenate((t[kept], times))
    order = np.argsort(all_t, kind="stable")
    return (
        all_t[order],
        np.concatenate((x[kept], (places % size[0]).astype(np.uint16)))[order],
        np.concatenate((y[kept], (places // size[0]).astype(np.uint16)))[order],
        np.concatenate((p[kept], polarity.astype(np.uint8)))[order],
    )
