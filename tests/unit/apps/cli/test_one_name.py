"""Every module has one name, and a command loads only what it needs."""

import subprocess
import sys


def test_nothing_is_imported_under_a_bare_name() -> None:
    program = (
        "import sys, spikewire.apps.commands as commands; commands.application()\n"
        "print([n for n in ('apps', 'qcore', 'runtime', 'sensors') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_command_loads_no_other_commands() -> None:
    program = (
        "import sys, spikewire.apps.commands as commands; commands.application(['info', 'x.csv'])\n"
        "heavy = {'numpy', 'numba', 'trio', 'spikewire.apps.replay.command'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_version_loads_no_command() -> None:
    program = (
        "import sys, spikewire.apps.commands as commands; commands.run(['--version'])\n"
        "print([name for name in sys.modules if name.startswith('spikewire.apps.recordings')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[1:] == ["[]"]
