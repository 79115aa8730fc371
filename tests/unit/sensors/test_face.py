import subprocess
import sys

import pytest

from spikewire import sensors


def test_every_name_of_the_face_is_there() -> None:
    for name in sensors.__all__:
        assert getattr(sensors, name) is not None
    assert set(sensors.__all__) == set(sensors._HOME)
    assert set(sensors.__all__) <= set(dir(sensors))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sensors.nothing  # noqa: B018


def test_units_and_errors_load_no_kernels() -> None:
    code = (
        "import sys\n"
        "from spikewire.sensors import SensorError, SourceWrapper, parse_duration\n"
        "print(sorted({'numba', 'numpy', 'trio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_kernels_can_be_loaded_ahead() -> None:
    code = (
        "import sys\n"
        "from spikewire import sensors\n"
        "sensors.load_all()\n"
        "loaded = {name for name in sys.modules if name.startswith('spikewire.sensors.')}\n"
        "import pkgutil\n"
        "every = {m.name for m in pkgutil.walk_packages(sensors.__path__, 'spikewire.sensors.')}\n"
        "print(sorted(every - loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Loaded where it is needed: it imports an extra.
    assert done.stdout.strip() == "['spikewire.sensors.sources.nats.client']"
