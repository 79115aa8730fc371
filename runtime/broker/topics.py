"""Subscriptions of one queue, as requests ask for them."""

from __future__ import annotations

from typing import Any

from spikewire.runtime.broker.broker import HISTORY_TOPICS, RETAINED, Broker
from spikewire.runtime.broker.subscriber_queue import SubscriberQueue
from spikewire.runtime.protocol.messages import Subscribe, Unsubscribe, matching

Lines = list[tuple[str, int, bytes]]
"""Messages (topic, number, frame) that follow an answer."""


def set_topics(
    broker: Broker, queue: SubscriberQueue, message: Subscribe | Unsubscribe, run_id: str
) -> tuple[dict[str, Any], Lines]:
    """Subscribe a queue, or end its subscriptions.

    Nothing else may be published until the answer and what follows it are queued.

    Returns
    -------
    tuple
        The answer's ``topics``, ``seq`` and ``resume``, and the messages that follow it.
    """
    added: list[str] = []
    for topic in matching(message.topics):
        if isinstance(message, Unsubscribe):
            queue.unsubscribe(topic)
        else:
            added += [topic] if topic not in queue.topics else []
            queue.subscribe(topic, message.policy)
    answer: dict[str, Any] = {
        "topics": list(queue.topics),
        "seq": {topic: broker.seq[topic] for topic in queue.topics},
    }
    missed: dict[str, list[tuple[int, bytes]]] = {}
    if isinstance(message, Subscribe) and message.last_seq is not None:
        answer["resume"] = {}
        for topic in added:
            kept_here = topic not in RETAINED or topic in HISTORY_TOPICS
            if topic in message.last_seq and kept_here:
                told, missed[topic] = broker.missed(
                    topic, message.last_seq[topic], message.run == run_id
                )
                answer["resume"][topic] = told
    lines = [(name, *kept) for name in added for kept in missed.get(name, ())]
    for name in added:
        if name not in missed and (kept := broker.retained(name)) is not None:
            lines.append((name, *kept))
    return answer, lines
