"""What a model file keeps for decisions: calibrated margins, and the rates of its camera."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from spikewire.qcore.errors import ModelError

MOST = 1_000_000_000
"""Largest value of a number in it."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whole numbers for the rules of decision; all 0 where nothing is known.

    Attributes
    ----------
    enter, keep
        Least margin of a named class over the second, in hundredths of their spread, to be named
        and to stay so.
    lead
        Least lead of a non-gesture over the best gesture, in hundredths of their spread, that makes
        the answer unknown.
    rest_hz, lively_hz
        Events per second of the camera at rest and in movement.
    """

    enter: int = 0
    keep: int = 0
    rest_hz: int = 0
    lively_hz: int = 0
    lead: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the numbers that are not 0."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Calibration:
        """Read what :meth:`to_dict` gave.

        Raises
        ------
        ModelError
            If the data are no such table; ``where`` names the file in the message.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(data, dict) or not names.issuperset(data):
            raise ModelError(f"{where} is damaged: its calibration has unknown entries.")
        for name, value in data.items():
            if type(value) is not int or not 0 <= value <= MOST:
                raise ModelError(
                    f"{where} is damaged: {name} of its calibration is {value!r:.40}; allowed are "
                    f"0 to {MOST:,}."
                )
        return cls(**data)
