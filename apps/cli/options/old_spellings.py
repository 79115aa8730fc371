"""Old spellings of options, understood until version 0.3 and named on standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spikewire.apps.cli.output import print_note

_SAME, _SECONDS, _MINUTES = "{}", "{}s", "{}min"

# Command, old option -> new option ("" for an argument), and the new spelling of its value.
OLD: dict[tuple[str, str], tuple[str, str]] = {
    ("run", "--http"): ("--http-port", _SAME),
    ("demo", "--seconds"): ("--for", _SECONDS),
    ("simulate", "--seconds"): ("--for", _SECONDS),
    ("sweep", "--dataset"): ("", _SAME),
    ("sweep", "--preset"): ("--model", _SAME),
    ("sweep", "--scheduler"): ("--cluster", _SAME),
    ("bench latency", "--seconds"): ("--for", _SECONDS),
    ("bench subscribers", "--seconds"): ("--for", _SECONDS),
    ("bench dashboards", "--seconds"): ("--for", _SECONDS),
    ("bench teachme", "--seconds"): ("--for", _SECONDS),
    ("bench soak", "--minutes"): ("--for", _MINUTES),
}


def modernised(arguments: Sequence[str], note: Callable[[str], None] = print_note) -> Sequence[str]:
    """Replace old spellings in a command line by the present ones.

    Parameters
    ----------
    arguments
        The words of the command line after ``spikewire``.
    note
        Called with a remark for each replacement.
    """
    words = list(arguments)
    command = " ".join(words[:2]) if words[:1] == ["bench"] else "".join(words[:1])
    names = {old for spoken, old in OLD if spoken == command}
    if not names:
        return arguments
    replaced: list[str] = []
    rest = iter(words)
    for word in rest:
        old, equals, value = word.partition("=")
        if word == "--" or old not in names:
            replaced.append(word)
            if word == "--":
                break
            continue
        new, spelling = OLD[command, old]
        if not equals:
            following = next(rest, None)
            if following is None:
                replaced.append(new or word)  # the error of a missing value names the new option
                break
            value = following
        value = spelling.format(value)
        replaced += [new, value] if new else [value]
        note(f"{old} is now {f'{new} {value}' if new else f'the argument {value}'}")
    return [*replaced, *rest]
