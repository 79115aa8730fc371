"""spikewire: the event stream of a DVS camera, classified by an integer network that learns.

A name is loaded when it is first used: a program that is only a client loads neither NumPy nor
Numba. The packages ``spikewire.sensors``, ``spikewire.qcore`` and ``spikewire.runtime`` hold more,
which may change between versions.

Data
----
:func:`open_recording` and :func:`open_dataset` read files. :func:`open_source` opens cameras,
sockets and files as streams. :func:`simulate` makes events, :func:`write_events` saves them.

Network
-------
:class:`Network` loads a shipped model, a preset or a file by name and runs event arrays. A
:class:`NetworkSpec` describes a network of your own, starting from :func:`load_preset`.
:func:`from_nir` imports a network that was trained elsewhere, :func:`to_nir` exports one.

Service
-------
:func:`serve` runs a service with :class:`Settings`; :func:`load_settings` reads them from files.

Client
------
:func:`connect` and :func:`follow` (trio), :func:`connect_asyncio` and :class:`BlockingClient`
(threads) talk to one, at a :class:`ServiceAddress`.

Errors
------
:class:`SpikewireError` is the base of every error that a user can cause.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spikewire.errors import SpikewireError
    from spikewire.qcore import (
        Batch,
        ModelError,
        Network,
        NetworkSpec,
        Prototypes,
        from_lava_dl,
        from_nir,
        from_slayer,
        load_preset,
        preset_names,
        to_nir,
    )
    from spikewire.runtime import (
        BlockingClient,
        Client,
        ConnectionLost,
        RequestRefused,
        Retry,
        Service,
        ServiceAddress,
        ServiceError,
        Settings,
        SettingsError,
        connect,
        connect_asyncio,
        follow,
        load_settings,
        serve,
    )
    from spikewire.sensors import (
        EVENT_DTYPE,
        DecodeError,
        Recording,
        SensorError,
        open_dataset,
        open_recording,
        open_source,
        simulate,
        write_events,
    )

    __version__: str

__all__ = [
    "EVENT_DTYPE",
    "Batch",
    "BlockingClient",
    "Client",
    "ConnectionLost",
    "DecodeError",
    "ModelError",
    "Network",
    "NetworkSpec",
    "Prototypes",
    "Recording",
    "RequestRefused",
    "Retry",
    "SensorError",
    "Service",
    "ServiceAddress",
    "ServiceError",
    "Settings",
    "SettingsError",
    "SpikewireError",
    "__version__",
    "connect",
    "connect_asyncio",
    "follow",
    "from_lava_dl",
    "from_nir",
    "from_slayer",
    "load_preset",
    "load_settings",
    "open_dataset",
    "open_recording",
    "open_source",
    "preset_names",
    "serve",
    "simulate",
    "to_nir",
    "write_events",
]

_NAMES = {
    "errors": ("SpikewireError",),
    "qcore": (
        "Batch",
        "ModelError",
        "Network",
        "NetworkSpec",
        "Prototypes",
        "from_nir",
        "from_lava_dl",
        "from_slayer",
        "load_preset",
        "preset_names",
        "to_nir",
    ),
    "runtime": (
        "BlockingClient",
        "Client",
        "ConnectionLost",
        "RequestRefused",
        "Retry",
        "Service",
        "ServiceAddress",
        "ServiceError",
        "Settings",
        "SettingsError",
        "connect",
        "connect_asyncio",
        "follow",
        "load_settings",
        "serve",
    ),
    "sensors": (
        "EVENT_DTYPE",
        "DecodeError",
        "Recording",
        "SensorError",
        "open_dataset",
        "open_recording",
        "open_source",
        "simulate",
        "write_events",
    ),
}
_HOME = {name: home for home, names in _NAMES.items() for name in names}
_PACKAGES = ("apps", "qcore", "runtime", "sensors")


if not TYPE_CHECKING:  # a type checker would take every unknown name for Any

    def __getattr__(name: str) -> Any:
        value: Any
        if name == "__version__":
            from importlib.metadata import version

            value = version("spikewire")
        elif name in _HOME:
            value = getattr(import_module(f"spikewire.{_HOME[name]}"), name)
        elif name in _PACKAGES:
            return import_module(f"spikewire.{name}")
        else:
            raise AttributeError(f"module 'spikewire' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})
