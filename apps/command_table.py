"""The table of commands: where each is, and its line in the list of commands.

The list is shown without loading the commands, which takes most of a second.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A command.

    Attributes
    ----------
    module
        The module below ``apps`` whose function of the command's name it is.
    summary
        The first sentences of that function's text.
    """

    module: str
    summary: str


COMMANDS = {
    "start": Entry(
        "dashboard.start",
        "Open the dashboard on the simulated camera and on each camera that is found.",
    ),
    "demo": Entry(
        "demo.command",
        "Show a network recognise simulated gestures, and teach it in the browser.",
    ),
    "run": Entry(
        "service.run",
        "Run a service that classifies the events of a source and publishes the results over TCP.",
    ),
    "watch": Entry(
        "service.watch",
        "Show the results of a running service until its source ends or Ctrl-C.",
    ),
    "gesture": Entry(
        "gesture.command",
        "Recognise gestures live, with a network on any source or from a running service.",
    ),
    "dashboard": Entry(
        "dashboard.command",
        "Serve a web page that shows and teaches a running service, until Ctrl-C.",
    ),
    "teach": Entry(
        "service.teach",
        "Teach a running service a class from its live source, or from an excerpt that it plays.",
    ),
    "play": Entry(
        "service.teach",
        "Play a recording in a running service's library, and print the recognised class.",
    ),
    "replay": Entry(
        "replay.command",
        "Run a network over recordings, and score its results against labels.",
    ),
    "info": Entry(
        "recordings.info",
        "Describe recordings: format, sensor size, events, times and damage.",
    ),
    "record": Entry(
        "service.record",
        "Record a source into an AEDAT 4.0 file until Ctrl-C.",
    ),
    "config": Entry(
        "service.config",
        "Print every setting of a service with its value and origin.",
    ),
    "convert": Entry(
        "recordings.convert",
        "Convert recordings to another format, with the same events.",
    ),
    "show": Entry(
        "recordings.show",
        "Play a recording in the terminal, as coloured dots; Ctrl-C ends it.",
    ),
    "render": Entry(
        "recordings.render",
        "Draw a recording: a PNG of all its events, or a GIF or MP4 of one picture after another.",
    ),
    "simulate": Entry(
        "recordings.simulate",
        "Simulate a data set of people making gestures, in the layout of DVS128 Gesture.",
    ),
    "train": Entry(
        "training.train",
        "Train a network on labelled recordings.",
    ),
    "evaluate": Entry(
        "training.evaluate",
        "Evaluate a model on a data set: accuracy, confusion matrix and NeuroBench costs.",
    ),
    "continual": Entry(
        "continual.command",
        "Learn classes task after task without revisiting, and measure forgetting.",
    ),
    "memory": Entry(
        "training.memory",
        "Count a network's memory: in bits at its widths and at 32, and in bytes as it is built.",
    ),
    "sweep": Entry(
        "sweep.command",
        "Train networks at many bit widths, and draw accuracy against bits of memory.",
    ),
    "import": Entry(
        "interop.import_network",
        "Import a network that was trained elsewhere, as a model file.",
    ),
    "export": Entry(
        "interop.export_network",
        "Export a network's layers as a NIR graph of current-based neurons (CubaLIF).",
    ),
    "status": Entry(
        "service.requests",
        "Print the state of a running service.",
    ),
    "learn": Entry(
        "service.requests",
        "Switch learning on or off in a running service.",
    ),
    "undo": Entry(
        "service.requests",
        "Undo the last lesson of a running service.",
    ),
    "checkpoint": Entry(
        "service.requests",
        "Save the network of a running service now, and print the path of the file.",
    ),
    "bridge": Entry(
        "service.bridge",
        "Publish the messages of a running service to a NATS server until Ctrl-C.",
    ),
    "doctor": Entry(
        "doctor.command",
        "Print what a report of a fault needs: versions, processor, cameras, extras, cache, ports.",
    ),
}
"""Each command."""

MEASUREMENTS = {
    "gestures": Entry(
        "bench.learning.gestures",
        "Teach five real gestures over the socket, and test on the unseen rest of the clips.",
    ),
    "core": Entry(
        "bench.core.command",
        "Time a tick of schaefer2020 and of edge on one core, beside other libraries.",
    ),
    "decide": Entry(
        "bench.decision.command",
        "Measure accuracy and delay of temporal smoothing, and false alarms on non-gestures.",
    ),
    "decode": Entry(
        "bench.formats.decode",
        "Time every decoder and filter, beside other libraries where they decode correctly.",
    ),
    "camera": Entry(
        "bench.formats.camera_file",
        "Time a recording of a 1280x720 camera from its file to the results, frozen and learning.",
    ),
    "simulator": Entry(
        "bench.formats.simulator",
        "Compare rates and places of simulated events with real clips, and time the simulation.",
    ),
    "latency": Entry(
        "bench.load.latency",
        "Measure the age of results at their arrival, under load and under overload.",
    ),
    "subscribers": Entry(
        "bench.load.subscribers",
        "Measure the effect of stalled subscribers on healthy ones.",
    ),
    "soak": Entry(
        "bench.load.soak",
        "Measure memory, descriptors and latency of a service over a long run.",
    ),
    "dashboards": Entry(
        "bench.load.dashboards",
        "Measure the effect of open dashboards on the latency of a service.",
    ),
    "picture": Entry(
        "bench.load.picture",
        "Measure what the picture of a 1280x720 camera costs the service.",
    ),
    "twin": Entry(
        "bench.baseline.command",
        "Train the float baseline (DECOLLE in PyTorch), the twin of an integer network.",
    ),
    "dvsgesture": Entry(
        "bench.learning.dvs_gesture",
        "Train on DVS128 Gesture, and test on people that were never shown.",
    ),
    "fewshot": Entry(
        "bench.learning.fewshot",
        "Train on most classes, then teach the others online from a few recordings each.",
    ),
    "teachme": Entry(
        "bench.learning.one_lesson",
        "Measure one-shot learning of a new gesture, and forgetting of the known ones.",
    ),
}
"""The commands of ``spikewire bench``."""
