"""SQS: taking messages, deleting them, and how many wait.

Belongs here: requests to a queue and their bounds. Does not belong here: what messages say (``notifications``),
recording it and when to look (``pipeline``).

A message that is received stays in the queue, unseen, for its visibility time-out. Whoever took it records what it
says and then deletes it; if that does not happen in time, it comes again and says the same. Nothing here extends a
time-out, and no error is asked about twice: one ends the call, and the next look begins anew.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from s3sentinel_assets.s3.queue_errors import queue_region, sqs_errors

__all__ = ["FailedDelete", "QueueDepth", "QueueMessage", "delete", "depth", "queue_region", "receive"]

#: SQS's own limit of a request.
_MESSAGES_A_CALL = 10


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message in our hands.

    Attributes:
        id: the message's own; the same when it comes again.
        receipt: what deletes it; another each time it comes.
        body: its text.
        sent_at: when it was put into the queue, aware UTC.
        received_count: how often it was received, about; 1 the first time.
    """

    id: str
    receipt: str
    body: str
    sent_at: datetime | None
    received_count: int


@dataclass(frozen=True, slots=True)
class FailedDelete:
    """A message that could not be deleted: it comes again.

    Attributes:
        message: the message.
        reason: SQS's code, such as ``ReceiptHandleIsInvalid``, and its words.
    """

    message: QueueMessage
    reason: str


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many messages a queue holds, about.

    Attributes:
        visible: to be received now.
        in_flight: received and not deleted.
        delayed: not to be received yet.
    """

    visible: int
    in_flight: int
    delayed: int


def receive(
    client: Any,
    queue_url: str,
    *,
    limit: int = 1000,
    wait_seconds: int = 0,
    visibility_seconds: int | None = None,
    deadline: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[QueueMessage]]:
    """Takes messages until none come, or a bound is reached.

    Args:
        client: an SQS client.
        queue_url: the queue, standard or FIFO.
        limit: messages at most.
        wait_seconds: how long a request waits for a first message. With 0, SQS looks on some of its servers only: a
            queue with few messages may seem empty, and the next look finds them.
        visibility_seconds: how long nobody else gets these messages; None: as the queue is set.
        deadline: no request is begun at or after this reading of the clock.
        clock: seconds, monotonic.

    Yields:
        Up to ten messages, at least one. Of a group of a FIFO queue no more come before these are deleted.

    Raises:
        UserError: SQS cannot be reached or refuses. What was yielded before comes again unless it is deleted.
    """
    options: dict[str, Any] = {} if visibility_seconds is None else {"VisibilityTimeout": visibility_seconds}
    taken = 0
    while taken < limit and (deadline is None or clock() < deadline):
        with sqs_errors(client, queue_url):
            response = client.receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=min(_MESSAGES_A_CALL, limit - taken),
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
                **options,
            )
        messages = [_message(entry) for entry in response.get("Messages", ())]
        if not messages:
            return
        taken += len(messages)
        yield messages


def _message(entry: dict[str, Any]) -> QueueMessage:
    attributes = entry.get("Attributes", {})
    sent = attributes.get("SentTimestamp")  # milliseconds
    return QueueMessage(
        id=entry["MessageId"],
        receipt=entry["ReceiptHandle"],
        body=entry.get("Body", ""),
        sent_at=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        received_count=int(attributes.get("ApproximateReceiveCount", 1)),
    )


def delete(client: Any, queue_url: str, messages: Sequence[QueueMessage]) -> list[FailedDelete]:
    """Deletes messages whose content is safe elsewhere.

    Args:
        client: an SQS client.
        queue_url: the queue they came from.
        messages: what to delete.

    Returns:
        Those that are still there, perhaps because their receipt is no longer valid. Nothing is lost by that: they come
        again and say the same.

    Raises:
        UserError: SQS cannot be reached or refuses the request as a whole.
    """
    failed: list[FailedDelete] = []
    for first in range(0, len(messages), _MESSAGES_A_CALL):
        batch = {str(number): message for number, message in enumerate(messages[first : first + _MESSAGES_A_CALL])}
        entries = [{"Id": number, "ReceiptHandle": message.receipt} for number, message in batch.items()]
        with sqs_errors(client, queue_url):
            response = client.delete_message_batch(QueueUrl=queue_url, Entries=entries)
        for entry in response.get("Successful", ()):
            batch.pop(entry["Id"], None)
        reasons = {
            entry["Id"]: f"{entry.get('Code', 'no code')} {entry.get('Message', '')}".strip()[:200]
            for entry in response.get("Failed", ())
        }
        failed += [
            FailedDelete(message, reasons.get(number, "SQS says nothing of it")) for number, message in batch.items()
        ]
    return failed


def depth(client: Any, queue_url: str) -> QueueDepth:
    """How many messages there are, as SQS estimates it.

    The age of the oldest is known to CloudWatch only (``ApproximateAgeOfOldestMessage``).

    Raises:
        UserError: SQS cannot be reached or refuses.
    """
    names = (
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    )
    with sqs_errors(client, queue_url):
        found = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(names)).get("Attributes", {})
    return QueueDepth(*(int(found.get(name, 0)) for name in names))
