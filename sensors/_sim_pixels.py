"""A scene in log intensity, and the DVS pixels that watch it.

Model after Lichtsteiner et al. 2008 and v2e (Hu et al. 2021): a pixel's low-passed log intensity is
compared with the level at its last event; past its own ON or OFF threshold it sends an event, at a
time interpolated inside the frame, and is dead for its refractory time. Leak and shot noise add
events without motion; hot pixels add many.
"""

from __future__ import annotations

import numba
import numpy as np

from sensors._events import _EVENTS
from sensors._jit import kernel

_F2 = numba.float64[:, ::1]


@kernel(numba.void(_F2, _F2, _F2))
def draw(scene, limbs, out):
    """Paint capsules over a scene.

    Parameters
    ----------
    scene
        float64[rows, columns]: intensity behind, in (0, 1].
    limbs
        float64[n, 6]: x0, y0, x1, y1, radius, brightness, painted in order.
    out
        float64[rows, columns], overwritten. Edges are one pixel soft, and a limb is darker
        towards its rim, as round things are.
    """
    rows, columns = out.shape
    out[:, :] = scene
    for n in range(limbs.shape[0]):
        x0, y0, x1, y1 = limbs[n, 0], limbs[n, 1], limbs[n, 2], limbs[n, 3]
        radius, bright = limbs[n, 4], limbs[n, 5]
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        left = max(0, int(min(x0, x1) - radius - 2))
        right = min(columns - 1, int(max(x0, x1) + radius + 2))
        top = max(0, int(min(y0, y1) - radius - 2))
        bottom = min(rows - 1, int(max(y0, y1) + radius + 2))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                along = 0.0
                if length > 0:
                    along = min(1.0, max(0.0, ((x - x0) * dx + (y - y0) * dy) / length))
                ax, ay = x - (x0 + along * dx), y - (y0 + along * dy)
                distance = np.sqrt(ax * ax + ay * ay)
                cover = min(1.0, max(0.0, radius + 0.5 - distance))
                if cover > 0:
                    shade = bright * (1.0 - 0.35 * (distance / (radius + 0.5)) ** 2)
                    # Folds and knuckles: a mild pattern that moves with the limb.
                    shade *= 1.0 + 0.08 * np.sin(1.3 * along * np.sqrt(length) + 2.0 * ax)
                    out[y, x] += cover * (shade - out[y, x])


@kernel(
    numba.int64(
        _F2, _F2, _F2, _F2, _F2, numba.int64[:, ::1], numba.int64, numba.int64, numba.float64,
        numba.int64, numba.float64, numba.uint64[::1], _EVENTS, numba.int64,
    )
)  # fmt: skip
def sense(frame, level, memory, on, off, ready, t0, t1, mix, dead, noise, lanes, events, n):
    """Let every pixel see one frame; append its events; returns their new count.

    Parameters
    ----------
    frame
        float64[rows, columns]: intensity at ``t1``.
    level, memory
        float64[rows, columns]: low-passed log intensity now, and at the last event; changed.
    on, off
        float64[rows, columns]: contrast thresholds.
    ready
        int64[rows, columns]: time until which a pixel is dead, microseconds; changed.
    t0, t1
        Times of the frame before and of this one, microseconds.
    mix
        Share of the new intensity that passes the pixel's bandwidth in a frame.
    dead
        Refractory time, microseconds.
    noise
        Chance of a noise event per pixel and frame.
    lanes
        uint64[1]: the noise generator (xorshift64).
    events
        Array of events, filled from ``n`` on, until full.
    """
    rows, columns = frame.shape
    room = events.shape[0]
    state = lanes[0]
    limit = np.uint64(noise * 4294967296.0)
    for y in range(rows):
        for x in range(columns):
            before = level[y, x]
            now = before + mix * (np.log(frame[y, x]) - before)
            level[y, x] = now
            base = memory[y, x]
            if now - base >= on[y, x] or base - now >= off[y, x]:
                rising = now > base
                size = on[y, x] if rising else off[y, x]
                while n < room:
                    target = base + size if rising else base - size
                    if (rising and now < target) or (not rising and now > target):
                        break
                    slope = now - before
                    share = (target - before) / slope if slope != 0 else 1.0
                    t = t0 + np.int64(min(1.0, max(0.0, share)) * (t1 - t0))
                    base = target
                    if t >= ready[y, x]:
                        events[n].t = t
                        events[n].x = x
                        events[n].y = y
                        events[n].p = 1 if rising else 0
                        n += 1
                        ready[y, x] = t + dead
                memory[y, x] = base
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            if (state >> np.uint64(32)) < limit and n < room:
                events[n].t = (
                    t0 + np.int64((state & np.uint64(0xFFFF)) * np.uint64(t1 - t0)) // 65536
                )
                events[n].x = x
                events[n].y = y
                events[n].p = 1 if (state >> np.uint64(20)) & np.uint64(3) else 0
                n += 1
    lanes[0] = state
    return n
