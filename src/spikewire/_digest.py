"""A short name for the text of a package: caches and results made by other code are not reused."""

from __future__ import annotations

import hashlib
from pathlib import Path


def source_digest(*sources: Path) -> str:
    """Digest the text of modules, and of all modules below folders.

    Parameters
    ----------
    sources
        Files and folders. A module counts by its text and by its path inside the folder.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for source in sources:
        files = sorted(source.rglob("*.py")) if source.is_dir() else [source]
        if not files:
            raise FileNotFoundError(f"there is no module in {source}")
        for path in files:
            name = path.relative_to(source) if path != source else path.name
            digest.update(f"{name}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
