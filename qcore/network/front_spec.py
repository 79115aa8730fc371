"""The front end of a network: events of the sensor's plane, cut and summed to the network's."""

from __future__ import annotations

from dataclasses import dataclass

from spikewire.qcore.errors import SpecError
from spikewire.qcore.network.spec_checks import one_of, within

MOST_SIDE = 8192


@dataclass(frozen=True, slots=True)
class FrontSpec:
    """What happens to events before the first layer, in this order.

    Attributes
    ----------
    width, height
        The plane that sensors are scaled to, in pixels; 0: the network's own plane, pooled and
        swapped back.
    merge
        Whether both polarities become channel 0.
    pool, pool_x
        Rows and columns of the windows whose events are summed; ``pool_x`` 0 is as ``pool``.
    top, left
        The crop: first row and column after pooling. The network's plane is as large as the crop.
    flip_x, flip_y, swap_xy
        Whether the crop is mirrored left to right, top to bottom, and then transposed.
    most
        The most spikes of a place and channel in a tick; 1: events are merged to a spike.
    """

    width: int = 0
    height: int = 0
    merge: bool = False
    pool: int = 1
    pool_x: int = 0
    top: int = 0
    left: int = 0
    flip_x: bool = False
    flip_y: bool = False
    swap_xy: bool = False
    most: int = 1

    def plane(self, width: int, height: int) -> tuple[int, int]:
        """Return the plane that sensors are scaled to, (width, height).

        Parameters
        ----------
        width, height
            The network's plane.
        """
        across, down = (height, width) if self.swap_xy else (width, height)
        return (
            self.width or (self.left + across) * (self.pool_x or self.pool),
            self.height or (self.top + down) * self.pool,
        )

    def maps_places(self) -> bool:
        """Tell whether events are moved, merged or left out."""
        return self != FrontSpec(most=self.most)

    def check(self, width: int, height: int) -> None:
        """Refuse impossible values, with a :class:`SpecError`.

        Parameters
        ----------
        width, height
            The network's plane.
        """
        for name, low, high in _RANGES:
            within(f"front.{name}", getattr(self, name), low, high)
        for name in ("merge", "flip_x", "flip_y", "swap_xy"):
            one_of(f"front.{name}", getattr(self, name), (False, True))
        across, down = (height, width) if self.swap_xy else (width, height)
        plane = self.plane(width, height)
        for name, whole, window, first, wanted in (
            ("width", plane[0], self.pool_x or self.pool, self.left, across),
            ("height", plane[1], self.pool, self.top, down),
        ):
            if not whole // window - first >= wanted:
                raise SpecError(
                    f"front.{name} is {whole}: pooled by {window} and cropped from {first} on it "
                    f"leaves {max(whole // window - first, 0)}, but the network takes {wanted}."
                )


NO_FRONT = FrontSpec()

_RANGES = (
    ("width", 0, MOST_SIDE),
    ("height", 0, MOST_SIDE),
    ("pool", 1, 64),
    ("pool_x", 0, 64),
    ("top", 0, MOST_SIDE),
    ("left", 0, MOST_SIDE),
    ("most", 1, 127),
)
