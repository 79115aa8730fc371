"""Recognition of ROS bags by their content."""

from __future__ import annotations

from pathlib import Path

MAGICS = {
    b"#ROSBAG V": "rosbag1",
    b"SQLite format 3\0": "rosbag2",
    b"\x89MCAP0\r\n": "mcap",
}
"""First bytes of each kind of bag, and the short name of its format."""


def is_bag_folder(path: Path) -> bool:
    """Tell whether a folder is a ROS 2 bag: one recording, whose files its metadata name."""
    return path.is_dir() and (path / "metadata.yaml").is_file()
