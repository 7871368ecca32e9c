"""Ways to break delivery in a worker process, each of which the harness must find out."""

import threading

from s3sentinel_assets.ledger import batches
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel.client import Outcome, SentinelClient, Verdict


def send_again_blindly():
    """An unknown outcome is taken for a refusal: the same batch is sent again at once."""
    upload = SentinelClient.upload

    def careless(self, *arguments):
        outcome = upload(self, *arguments)
        if outcome.verdict is Verdict.UNKNOWN:
            return Outcome(Verdict.RETRY, outcome.status, outcome.error)
        return outcome

    SentinelClient.upload = careless


def accept_before_sending():
    """A batch is accepted when it is about to be sent; the outcome corrects that, where anybody lives to see it."""
    change = batches._change

    def hasty(connection, held, batch_id, states, values, *more, **named):
        if values["state"] == BatchState.SENDING.value:
            values = {**values, "state": BatchState.ACCEPTED.value}
        elif BatchState.SENDING in states:
            states = [*states, BatchState.ACCEPTED]
        change(connection, held, batch_id, states, values, *more, **named)

    batches._change = hasty


def forget_the_bound():
    """Absence is taken for a proof at once: neither time-outs nor bound are waited for."""
    from s3sentinel_assets.sentinel import resolution

    resolution._surely_absent = lambda *_: True


def hang():
    """The worker never comes to its work."""
    threading.Event().wait(60)
