"""Names of gestures: the classes of DVS128 Gesture, and others that can be simulated."""

from __future__ import annotations

GESTURES = (
    "hand_clapping",
    "right_hand_wave",
    "left_hand_wave",
    "right_arm_clockwise",
    "right_arm_counter_clockwise",
    "left_arm_clockwise",
    "left_arm_counter_clockwise",
    "arm_roll",
    "air_drums",
    "air_guitar",
    "other_gestures",
)
"""The classes of DVS128 Gesture (Amir et al. 2017), 1 to 11."""

EXTRA_GESTURES = (
    "both_hands_wave",
    "jumping_jack",
    "throw",
    "push",
    "swim",
    "cross_arms",
)
"""Six more, shown only when asked for by name: nothing is trained on them, so that a network can be
taught what it has never seen."""

NON_GESTURES = frozenset({"other_gestures"})
"""Classes of movements that are none of the named gestures."""
