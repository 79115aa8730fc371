"""Lazy names of the packages' faces."""

import pytest

from spikewire import runtime, sensors


@pytest.mark.parametrize("package", [runtime, sensors])
def test_every_public_name_loads_and_is_listed(package) -> None:
    assert set(package.__all__) <= set(dir(package))
    assert all(getattr(package, name) is not None for name in package.__all__)


@pytest.mark.parametrize("package", [runtime, sensors])
def test_an_unknown_name_is_an_attribute_error(package) -> None:
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'no'"):
        package.no  # noqa: B018
