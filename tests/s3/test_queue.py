"""Taking messages from a real queue: nothing is lost by two takers, by one that dies, or by an error."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.stub import Stubber

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import LocalAws
from s3sentinel_assets.s3.notifications import TEST_EVENT, read_message
from s3sentinel_assets.s3.queue import QueueDepth, QueueMessage, delete, depth, queue_region, receive
from s3sentinel_assets.s3.queue_errors import sqs_errors
from s3sentinel_assets.s3.session import aws_client

HARD_KEY = "AWSLogs/a+b%3D c/é%2F,&=日本 \U0001f600.gz"
_numbers = itertools.count(1)


def plain_client(service: str, url: str, region: str = "us-east-1") -> Any:
    """A client of our own: the product's is shared with other tests, and knows fewer services."""
    return boto3.client(
        service,  # pyright: ignore[reportArgumentType]
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="AKIALOCALONLY0000000",
        aws_secret_access_key="local",
    )


class Queue(SimpleNamespace):
    """A queue with what the tests do to it."""

    client: Any
    url: str
    arn: str

    def send(self, *bodies: str, **options: Any) -> None:
        for first in range(0, len(bodies), 10):
            entries = [
                {"Id": str(n), "MessageBody": body, **options} for n, body in enumerate(bodies[first : first + 10])
            ]
            self.client.send_message_batch(QueueUrl=self.url, Entries=entries)

    def take(self, **options: Any) -> list[QueueMessage]:
        return [message for batch in receive(self.client, self.url, **options) for message in batch]


def make_queue(access: AwsAccess, name: str, **attributes: str) -> Queue:
    client = aws_client(access, "sqs")
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return Queue(client=client, url=url, arn=arn)


@pytest.fixture
def queue(access: AwsAccess) -> Queue:
    return make_queue(access, f"queue-{next(_numbers)}")


@pytest.fixture
def stub() -> Iterator[tuple[Any, Stubber]]:
    client = plain_client("sqs", "https://sqs.eu-west-1.amazonaws.com", "eu-west-1")
    with Stubber(client) as stubber:
        yield client, stubber


# from the bucket to the object


def announced(queue: Queue) -> tuple[list[tuple[str, str, str]], dict[str, int]]:
    """Bucket, key and event of what the queue announces, and what was ignored; deletes the messages."""
    objects: list[tuple[str, str, str]] = []
    ignored: dict[str, int] = {}
    for batch in receive(queue.client, queue.url, visibility_seconds=60):
        for message in map(read_message, (taken.body for taken in batch)):
            assert not message.rejected
            objects += [(found.bucket, found.key, found.event) for found in message.objects]
            for name, count in message.ignored.items():
                ignored[name] = ignored.get(name, 0) + count
        assert delete(queue.client, queue.url, batch) == []
    return objects, ignored


def test_a_bucket_that_notifies_a_queue(bucket: Any, queue: Queue) -> None:
    events = {"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    bucket.client.put_bucket_notification_configuration(
        Bucket=bucket.name, NotificationConfiguration={"QueueConfigurations": [events]}
    )
    etag = bucket.put(HARD_KEY, b"four")
    bucket.client.delete_object(Bucket=bucket.name, Key=HARD_KEY)
    taken = queue.take(visibility_seconds=0, limit=3)
    (found,) = [found for message in taken for found in read_message(message.body).objects]
    assert (found.etag, found.size) == (etag, 4)
    objects, ignored = announced(queue)
    assert objects == [(bucket.name, HARD_KEY, "s3:ObjectCreated:Put")]
    assert ignored == {TEST_EVENT: 1, "s3:ObjectRemoved:Delete": 1}
    assert depth(queue.client, queue.url) == QueueDepth(0, 0, 0)


@pytest.mark.parametrize("raw", [False, True])
def test_a_bucket_that_notifies_a_topic_whose_subscriber_is_a_queue(
    bucket: Any, queue: Queue, local_aws: LocalAws, raw: bool
) -> None:
    sns = plain_client("sns", local_aws.url)
    topic = sns.create_topic(Name=f"topic-{next(_numbers)}")["TopicArn"]
    attributes = {"RawMessageDelivery": "true"} if raw else {}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=attributes)
    bucket.client.put_bucket_notification_configuration(
        Bucket=bucket.name,
        NotificationConfiguration={"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]},
    )
    bucket.put(HARD_KEY)
    bucket.client.copy_object(Bucket=bucket.name, Key="copy", CopySource={"Bucket": bucket.name, "Key": HARD_KEY})
    (first, second), ignored = announced(queue)
    assert first == (bucket.name, HARD_KEY, "s3:ObjectCreated:Put")
    assert second[:2] == (bucket.name, "copy")
    assert ignored == {TEST_EVENT: 1}


def test_a_bucket_that_notifies_event_bridge_with_a_queue_as_target(
    bucket: Any, queue: Queue, local_aws: LocalAws
) -> None:
    events, rule = plain_client("events", local_aws.url), f"rule-{next(_numbers)}"
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["aws.s3"], "detail-type": ["Object Created"]}))
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": queue.arn}])
    bucket.client.put_bucket_notification_configuration(
        Bucket=bucket.name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    try:
        bucket.put(HARD_KEY)
        objects, _ = announced(queue)
    finally:
        events.remove_targets(Rule=rule, Ids=["1"])
    assert (bucket.name, HARD_KEY, "Object Created") in objects


# taking and deleting


def test_what_is_known_of_a_message(queue: Queue) -> None:
    queue.send("text é \U0001f600")
    (message,) = queue.take(visibility_seconds=60)
    assert (message.body, message.received_count) == ("text é \U0001f600", 1)
    assert message.sent_at is not None
    assert message.sent_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - message.sent_at) < timedelta(hours=1)


def test_batches_of_ten_until_the_queue_is_empty(queue: Queue) -> None:
    bodies = [f"message {number}" for number in range(25)]
    queue.send(*bodies)
    batches = list(receive(queue.client, queue.url, visibility_seconds=60))
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert sorted(message.body for batch in batches for message in batch) == sorted(bodies)
    assert depth(queue.client, queue.url) == QueueDepth(visible=0, in_flight=25, delayed=0)


@pytest.mark.parametrize("limit", [0, 1, 10, 13])
def test_never_more_than_the_limit(queue: Queue, limit: int) -> None:
    queue.send(*map(str, range(25)))
    assert len(queue.take(limit=limit, visibility_seconds=60)) == limit
    assert depth(queue.client, queue.url).in_flight == limit


def test_no_request_is_begun_at_the_deadline(queue: Queue) -> None:
    queue.send(*map(str, range(40)))
    seconds = iter([0.0, 5.0, 9.9, 10.0])
    assert len(queue.take(deadline=10.0, clock=lambda: next(seconds), visibility_seconds=60)) == 30
    assert queue.take(deadline=10.0, clock=lambda: 10.0) == []


def test_delayed_messages_are_counted_and_come_later(queue: Queue) -> None:
    queue.send("later", DelaySeconds=600)
    queue.send("now")
    assert [message.body for message in queue.take(visibility_seconds=60)] == ["now"]
    assert depth(queue.client, queue.url) == QueueDepth(visible=0, in_flight=1, delayed=1)


def test_a_message_that_was_not_deleted_comes_again_and_says_the_same(queue: Queue) -> None:
    event = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}
    queue.send(json.dumps({"Records": [event]}))
    (first,) = queue.take(visibility_seconds=60)
    assert queue.take() == []
    queue.client.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=first.receipt, VisibilityTimeout=0)
    (again,) = queue.take(visibility_seconds=60)
    assert (again.id, again.received_count) == (first.id, 2)
    assert read_message(again.body) == read_message(first.body)
    assert delete(queue.client, queue.url, [again]) == []
    assert depth(queue.client, queue.url) == QueueDepth(0, 0, 0)


def test_deleting_what_cannot_be_deleted_names_it_and_deletes_the_others(queue: Queue) -> None:
    queue.send(*map(str, range(25)))
    taken = queue.take(visibility_seconds=60)
    spoilt = [replace(message, receipt="no receipt") if n in (3, 21) else message for n, message in enumerate(taken)]
    failed = delete(queue.client, queue.url, spoilt)
    assert [entry.message for entry in failed] == [spoilt[3], spoilt[21]]
    assert all(entry.reason.startswith("ReceiptHandleIsInvalid") for entry in failed)
    assert depth(queue.client, queue.url).in_flight == 2
    assert delete(queue.client, queue.url, []) == []


def test_a_deletion_of_which_sqs_says_nothing_counts_as_failed(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    first, second = (QueueMessage(name, name, "", None, 1) for name in ("first", "second"))
    stubber.add_response("delete_message_batch", {"Successful": [{"Id": "1"}], "Failed": []})
    assert [entry.message for entry in delete(client, "https://q", [first, second])] == [first]


def test_a_fifo_queue_gives_the_next_of_a_group_once_these_are_deleted(access: AwsAccess) -> None:
    fifo = make_queue(access, f"queue-{next(_numbers)}.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    bodies = [f"message {number}" for number in range(25)]
    fifo.send(*bodies, MessageGroupId="s3")
    assert len(fifo.take(visibility_seconds=60, limit=20)) == 10
    for message in fifo.client.receive_message(QueueUrl=fifo.url).get("Messages", ()):
        pytest.fail(f"{message} came while its group was held")
    fifo.client.purge_queue(QueueUrl=fifo.url)

    fifo.send(*(f"again {body}" for body in bodies), MessageGroupId="s3")
    seen: list[str] = []
    for batch in receive(fifo.client, fifo.url, visibility_seconds=60):
        seen += [message.body for message in batch]
        assert delete(fifo.client, fifo.url, batch) == []
    assert seen == [f"again {body}" for body in bodies]


def test_two_takers_lose_nothing_and_get_nothing_twice(queue: Queue) -> None:
    bodies = [f"message {number}" for number in range(120)]
    queue.send(*bodies)
    seen: list[str] = []

    def take() -> None:
        for batch in receive(queue.client, queue.url, visibility_seconds=60):
            seen.extend(message.body for message in batch)
            assert delete(queue.client, queue.url, batch) == []

    takers = [threading.Thread(target=take) for _ in range(2)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert sorted(seen) == sorted(bodies)
    assert depth(queue.client, queue.url) == QueueDepth(0, 0, 0)


def test_what_a_dead_taker_held_comes_to_another(queue: Queue) -> None:
    queue.send(*map(str, range(15)))
    dead = queue.take(limit=10, visibility_seconds=60)
    assert len(queue.take(visibility_seconds=60)) == 5
    for message in dead:
        queue.client.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=message.receipt, VisibilityTimeout=0)
    assert {message.id for message in queue.take(visibility_seconds=60)} == {message.id for message in dead}


# errors

QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/logs"
RECEIVE = "sqs:ReceiveMessage"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", ("does not exist in eu-west-1", RECEIVE, "queue_url")),
        ("QueueDoesNotExist", ("does not exist in eu-west-1", RECEIVE)),
        ("InvalidAddress", ("does not exist", RECEIVE)),
        ("AccessDenied", ("is denied (The service's words)", RECEIVE)),
        ("AccessDeniedException", ("is denied", RECEIVE)),
        ("KMS.AccessDeniedException", ("KMS refuses", "allow kms:Decrypt")),
        ("KmsAccessDenied", ("KMS refuses", "allow kms:Decrypt")),
        ("KMS.DisabledException", ("KMS refuses", "enable it")),
        ("KmsDisabled", ("KMS refuses", "enable it")),
        ("KMS.NotFoundException", ("KMS refuses", "another one")),
        ("KmsInvalidState", ("KMS refuses", "cancel its deletion")),
        ("KmsThrottled", ("KMS throttles", "next look")),
        ("RequestThrottled", ("throttles", "next look")),
        ("ThrottlingException", ("throttles", "next look")),
        ("OverLimit", ("too many messages in flight", "a queue of its own")),
        ("ExpiredToken", ("have expired", "renew them")),
        ("InvalidClientTokenId", ("does not accept the credentials", "aws.profile")),
        ("Strange", ("ReceiveMessage", "failed with Strange (The service's words)")),
    ],
)
def test_a_refusal_names_queue_and_way_out_and_is_not_asked_about_twice(
    stub: tuple[Any, Stubber], code: str, words: tuple[str, ...]
) -> None:
    client, stubber = stub
    stubber.add_client_error("receive_message", code, "The service's\nwords", 400)
    with pytest.raises(UserError) as raised:
        list(receive(client, QUEUE))  # a second request would find no answer, and say so in the sentence
    sentence = str(raised.value)
    assert QUEUE in sentence
    assert [word for word in words if word not in sentence] == []
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("method", "call", "permission"),
    [
        ("receive_message", lambda client: list(receive(client, QUEUE)), "sqs:ReceiveMessage"),
        (
            "delete_message_batch",
            lambda client: delete(client, QUEUE, [QueueMessage("i", "r", "b", None, 1)]),
            "sqs:DeleteMessage",
        ),
        ("get_queue_attributes", lambda client: depth(client, QUEUE), "sqs:GetQueueAttributes"),
    ],
)
def test_each_request_names_the_permission_it_needs(
    stub: tuple[Any, Stubber], method: str, call: Callable[[Any], object], permission: str
) -> None:
    client, stubber = stub
    stubber.add_client_error(method, "AccessDenied", "", 403)
    with pytest.raises(UserError, match=rf"queue {QUEUE} is denied; allow {permission} on it"):
        call(client)


@pytest.mark.parametrize("code", ["AWS.SimpleQueueService.NonExistentQueue", "InvalidAddress", "AccessDenied"])
def test_a_queue_of_another_region_is_told_from_a_missing_one(stub: tuple[Any, Stubber], code: str) -> None:
    client, stubber = stub
    stubber.add_client_error("receive_message", code, "", 400)
    with pytest.raises(UserError, match=r"is in region us-west-2, but was asked for in eu-west-1; set aws.region"):
        list(receive(client, "https://sqs.us-west-2.amazonaws.com/111122223333/logs"))


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/1/q", "eu-west-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1"),
        ("https://us-west-2.queue.amazonaws.com/1/q", "us-west-2"),
        ("https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com/1/q", "eu-west-1"),
        ("https://queue.amazonaws.com/1/q", None),
        ("http://127.0.0.1:4566/1/sqs.eu-west-1.q", None),
        ("", None),
    ],
)
def test_the_region_in_a_url(url: str, region: str | None) -> None:
    assert queue_region(url) == region


def test_a_queue_that_is_missing_at_a_real_server(queue: Queue) -> None:
    for call in (lambda url: list(receive(queue.client, url)), lambda url: depth(queue.client, url)):
        with pytest.raises(UserError, match=f"queue {queue.url}-x does not exist"):
            call(f"{queue.url}-x")


def test_messages_before_an_error_were_given(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    stubber.add_response("receive_message", {"Messages": [{"MessageId": "1", "ReceiptHandle": "r", "Body": "b"}]})
    stubber.add_client_error("receive_message", "RequestThrottled", "", 400)
    batches = receive(client, QUEUE)
    assert next(batches) == [QueueMessage("1", "r", "b", None, 1)]
    with pytest.raises(UserError, match="throttles"):
        next(batches)


def test_a_server_that_is_not_there(access: AwsAccess) -> None:
    client = aws_client(access.model_copy(update={"endpoint_url": "http://127.0.0.1:1", "max_attempts": 1}), "sqs")
    with pytest.raises(UserError, match=r"http://127.0.0.1:1 cannot be reached for queue http://127.0.0.1:1/1/q"):
        list(receive(client, "http://127.0.0.1:1/1/q"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exceptions.NoCredentialsError(), "no AWS credentials were found"),
        (exceptions.CredentialRetrievalError(provider="sso", error_msg="gone"), "could not be fetched"),
        (exceptions.SSLError(endpoint_url="https://q", error="self-signed"), "aws.ca_file"),
        (exceptions.ConnectTimeoutError(endpoint_url="https://q"), "cannot be reached"),
        (exceptions.ReadTimeoutError(endpoint_url="https://q"), "broke for queue"),
        (exceptions.ConnectionClosedError(endpoint_url="https://q"), "broke for queue"),
        (exceptions.ParamValidationError(report="bad"), "check queue_url"),
        (exceptions.BotoCoreError(), "failed"),
        (
            exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole"),
            "cannot be assumed .no.; allow sts:AssumeRole",
        ),
    ],
)
def test_what_keeps_a_request_from_getting_through(stub: tuple[Any, Stubber], error: Exception, words: str) -> None:
    with pytest.raises(UserError, match=words) as raised, sqs_errors(stub[0], QUEUE):
        raise error
    assert QUEUE in str(raised.value)


def test_other_errors_pass(stub: tuple[Any, Stubber]) -> None:
    with pytest.raises(ZeroDivisionError), sqs_errors(stub[0], QUEUE):
        raise ZeroDivisionError
