"""Every module has one name."""

import subprocess
import sys


def test_nothing_is_imported_under_a_bare_name() -> None:
    program = (
        "import sys, spikewire.apps.commands\n"
        "print([n for n in ('apps', 'qcore', 'runtime', 'sensors') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
