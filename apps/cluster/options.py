"""Options of commands that compute on Dask."""

from __future__ import annotations

from dataclasses import dataclass

from spikewire.apps.cli.options.shared import Cluster, Workers
from spikewire.apps.cluster.dask import check_address


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Processes that compute a command's trials.

    Attributes
    ----------
    workers
        Number of local processes; None for the command's default.
    cluster
        Scheduler of a running cluster; None for local processes.
    """

    workers: Workers = None
    cluster: Cluster = None

    @property
    def parallel(self) -> bool:
        """Whether either option was given."""
        return self.workers is not None or self.cluster is not None

    def check(self) -> None:
        """Check the address.

        Raises
        ------
        UsageError
            If it is no address, or both options are given.
        """
        check_address("--cluster", self.cluster, self.workers)
