"""Painting a scene: soft-edged, shaded, textured capsules over a still background."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from spikewire._jit import kernel

TEXELS = 64
_REACH = 5.0  # pixels that a contact shadow extends

_F2 = numba.float64[:, ::1]
_F3 = numba.float64[:, :, ::1]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@kernel(numba.void(_F2, _F3, _F2, numba.uint8[:, ::1], numba.float64))
def paint(parts, textures, frame, painted, softness):  # type: ignore[no-untyped-def]
    """Paint parts in order over a frame.

    Parameters
    ----------
    parts
        float64[n, FIELDS], as the body lays them out.
    textures
        float64[k, TEXELS, TEXELS]: factors on reflectance, repeating.
    frame
        float64[rows, columns]: the background's intensity; changed in place.
    painted
        uint8[rows, columns]: set to 1 where a part is; shadows fall on such places only, because
        the wall is far away.
    softness
        Width of an edge in pixels: the lens and the pixel's area blur it.
    """
    rows, columns = frame.shape
    sharp = 1.0 / softness
    for n in range(parts.shape[0]):
        x0, y0, r0 = parts[n, 0], parts[n, 1], parts[n, 2]
        dx, dy, dr = parts[n, 3] - x0, parts[n, 4] - y0, parts[n, 5] - r0
        per_radius = 1.0 / (r0 + 0.5 * dr)
        bright, texture = parts[n, 6], int(parts[n, 7])
        texels, phase, shadow = parts[n, 8], parts[n, 9], parts[n, 10]
        length2 = dx * dx + dy * dy
        inverse = 1.0 / max(length2, 1e-9)
        length = np.sqrt(length2)
        ux, uy = (dx / length, dy / length) if length > 1e-3 else (0.0, 1.0)
        margin = max(r0, r0 + dr) + softness + (_REACH if shadow > 0 else 0.0)
        left = max(0, int(np.floor(min(x0, x0 + dx) - margin)))
        right = min(columns - 1, int(max(x0, x0 + dx) + margin + 1))
        top = max(0, int(np.floor(min(y0, y0 + dy) - margin)))
        bottom = min(rows - 1, int(max(y0, y0 + dy) + margin + 1))
        steep = abs(dy) > 0.3 * length
        for y in range(top, bottom + 1):
            first, last = left, right
            if steep:
                # Where this row meets the band that the part lies in: most of the box is outside.
                middle = x0 + dx * (y - y0) / dy
                half = margin * length / abs(dy) + 1.0
                first = max(left, int(middle - half))
                last = min(right, int(middle + half))
            for x in range(first, last + 1):
                px, py = x - x0, y - y0
                along = min(1.0, max(0.0, (px * dx + py * dy) * inverse))
                ax, ay = px - along * dx, py - along * dy
                radius = r0 + along * dr
                distance2 = ax * ax + ay * ay
                far = radius + 0.5 * softness
                if distance2 >= far * far:
                    if shadow > 0 and painted[y, x] and distance2 < (radius + _REACH) ** 2:
                        near = min(1.0, 1.0 - (np.sqrt(distance2) - radius) / _REACH)
                        frame[y, x] *= 1.0 - 0.22 * shadow * near * near
                    continue
                cover = 1.0
                inner = radius - 0.5 * softness
                if inner < 0 or distance2 > inner * inner:
                    cover = min(1.0, (radius - np.sqrt(distance2)) * sharp + 0.5)
                lit = 1.0 - per_radius * (0.22 * ax + 0.3 * ay + 0.3 * per_radius * distance2)
                # Signed distance across the part, so that the texture wraps round it.
                over = ax * uy - ay * ux
                # Kept positive, so that cutting off the fraction rounds down.
                u = texels * along + phase
                v = 9.0 * over * per_radius + 3.0 * phase + 64.0
                ui, vi = int(u), int(v)
                fu, fv = u - ui, v - vi
                u0, v0 = ui & (TEXELS - 1), vi & (TEXELS - 1)
                u1, v1 = (ui + 1) & (TEXELS - 1), (vi + 1) & (TEXELS - 1)
                a, b = textures[texture, u0, v0], textures[texture, u0, v1]
                upper = a + fv * (b - a)
                a, b = textures[texture, u1, v0], textures[texture, u1, v1]
                lower = a + fv * (b - a)
                shade = bright * lit * (upper + fu * (lower - upper))
                frame[y, x] += cover * (shade - frame[y, x])
                painted[y, x] = 1


@kernel(numba.void(_F2, numba.float64, numba.float64, _F2))
def shift(scene, dx, dy, out):  # type: ignore[no-untyped-def]
    """Cut the middle out of a larger scene, moved by a fraction of a pixel (bilinear)."""
    rows, columns = out.shape
    x = 0.5 * (scene.shape[1] - columns) + dx
    y = 0.5 * (scene.shape[0] - rows) + dy
    xi, yi = int(np.floor(x)), int(np.floor(y))
    xi = min(max(xi, 0), scene.shape[1] - columns - 1)
    yi = min(max(yi, 0), scene.shape[0] - rows - 1)
    fx, fy = min(1.0, max(0.0, x - xi)), min(1.0, max(0.0, y - yi))
    for r in range(rows):
        for c in range(columns):
            a, b = scene[yi + r, xi + c], scene[yi + r, xi + c + 1]
            d, e = scene[yi + r + 1, xi + c], scene[yi + r + 1, xi + c + 1]
            upper = a + fx * (b - a)
            out[r, c] = upper + fy * (d + fx * (e - d) - upper)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], waves: tuple[float, float]
) -> Floats:
    """Draw a repeating random pattern of mean 0 and deviation 1, ``waves`` cycles per axis."""
    ky = np.fft.fftfreq(shape[0])[:, None] * shape[0] / waves[0]
    kx = np.fft.fftfreq(shape[1])[None, :] * shape[1] / waves[1]
    spectrum = np.fft.fft2(rng.standard_normal(shape)) * np.exp(-0.5 * (kx * kx + ky * ky))
    out = np.fft.ifft2(spectrum).real
    return np.asarray((out - out.mean()) / out.std(), np.float64)


def draw_textures(rng: np.random.Generator, folds: float) -> Floats:
    """Draw float64[3, TEXELS, TEXELS]: cloth with folds along the part, skin, hair."""
    shape = (TEXELS, TEXELS)
    cloth = folds * (
        0.7 * smooth_noise(rng, shape, (6, 3)) + 0.5 * smooth_noise(rng, shape, (14, 9))
    )
    skin = 0.1 * smooth_noise(rng, shape, (7, 4)) + 0.08 * smooth_noise(rng, shape, (16, 12))
    hair = 0.3 * smooth_noise(rng, shape, (10, 10))
    return np.exp(np.stack([cloth, skin, hair]))


def draw_wall(
    rng: np.random.Generator, size: tuple[int, int], wall: float, clutter: float
) -> Floats:
    """Draw what stands still behind the subject.

    Parameters
    ----------
    size
        (width, height) to draw.
    wall
        Mean reflectance.
    clutter
        0 is a wall with stains and a shadow, 1 a full office: shelves, frames, a window.

    Returns
    -------
    ndarray
        float64[height, width].
    """
    width, height = size
    out = wall * np.exp(0.08 * smooth_noise(rng, (height, width), (4, 4)))
    edge = int(rng.uniform(0.25, 0.45) * height)
    out[edge : edge + 2] *= 0.8
    for _ in range(round(12 * clutter)):
        w, h = rng.integers(4, 40), rng.integers(4, 40)
        x, y = rng.integers(0, width - 4), rng.integers(0, height - 4)
        out[y : y + h, x : x + w] = wall * np.exp(rng.normal(0, 0.7))
        out[y : y + h, x : x + 1] *= 0.5
    return np.clip(out, 0.03, 1.0)
