"""Small made-up logs of each family: entity frames with habits, built from seeded choices, no clock."""

import random
from datetime import timedelta

import polars as pl

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ml import load_model, update
from tests.ml.worlds import ACCOUNT, MODELS, frame, hours

#: One format of each family.
ONE_OF_EACH = ("cloudtrail", "vpc_flow", "web_access", "route53_resolver", "syslog", "guardduty")
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"


def at(hour: str, minute: float, serial: int, **columns: object) -> dict:
    """One event."""
    return {"event_id": f"{serial:012d}", "time": hour_start(hour) + timedelta(minutes=minute), **columns}


def request(hour: str, minute: float, serial: int, client: str, target: str, status: int = 200, **more: object) -> dict:
    """One request to the shop."""
    method = more.pop("method", "GET")
    named = {"principal": client, "principal_type": "address", "source_ip": client, "user_agent": BROWSER}
    shop = {"peer": "shop.example.com", "service": "http", "action": f"{method}/{status}", "target": target}
    return at(hour, minute, serial, **(named | shop | {"error": str(status) if status >= 400 else None} | more))


def query(
    hour: str, minute: float, serial: int, owner: str, name: str, answer: str = "NOERROR", **more: object
) -> dict:
    """One query of the resolver."""
    named = {"principal": owner, "principal_type": "instance", "peer": f"{ACCOUNT}/vpc-1", "account": ACCOUNT}
    asked = {"service": "dns", "action": f"A/{answer}", "target": name, "source_ip": "10.0.0.9"}
    return at(hour, minute, serial, **(named | asked | {"error": None if answer == "NOERROR" else answer} | more))


def flow(hour: str, minute: float, serial: int, remote: str, **more: object) -> dict:
    """One flow of an interface to a remote address."""
    named = {"principal": "eni-1", "principal_type": "eni", "account": ACCOUNT, "peer": f"{ACCOUNT}/subnet-1"}
    sent = {"service": "tcp", "action": "tcp/443/egress/ACCEPT", "target": remote, "bytes": 30_000, "packets": 40}
    return at(hour, minute, serial, **(named | sent | more))


def web_hour(hour: str, seed: int = 1) -> list[dict]:
    """Visitors of known and unknown networks, a named user, a few mistakes."""
    choose, rows = random.Random(f"{hour} {seed}"), []
    for place in range(240):
        client = f"198.51.{choose.randrange(100, 112)}.{choose.randrange(256)}"
        if choose.random() < 0.05:
            client = f"203.0.{choose.randrange(256)}.{choose.randrange(256)}"
        path = choose.choice(
            ["/", f"/items/{choose.randrange(10**6)}", "/cart", f"/img/{choose.getrandbits(64):016x}.png"]
        )
        status = 404 if choose.random() < 0.02 else 200
        more = {"principal": "alice", "principal_type": "user"} if choose.random() < 0.1 else {}
        rows.append(request(hour, choose.random() * 60, place, client, path, status, **more))
    return rows


def dns_hour(hour: str, seed: int = 1) -> list[dict]:
    """Instances asking for the same few domains, one of which has many names."""
    choose, rows = random.Random(f"{hour} {seed}"), []
    for place in range(240):
        name = choose.choice(["api.example.com", "www.example.co.uk", "s3.eu-west-1.amazonaws.com", "repo.example.org"])
        if choose.random() < 0.15:
            name = f"d{choose.getrandbits(52):x}.cdn.example.net"
        answer = "NXDOMAIN" if choose.random() < 0.02 else "NOERROR"
        rows.append(query(hour, choose.random() * 60, place, f"i-{choose.randrange(5)}", name, answer))
    return rows


def flow_hour(hour: str, seed: int = 1) -> list[dict]:
    """An interface with a few servers it turns to."""
    choose = random.Random(f"{hour} {seed}")
    return [
        flow(
            hour, choose.random() * 60, place, f"192.0.2.{choose.randrange(12)}",
            principal=f"eni-{choose.randrange(3)}",
            bytes=choose.randrange(20_000, 60_000), packets=choose.randrange(30, 60),
            action=f"tcp/443/{choose.choice(['egress', 'ingress'])}/ACCEPT",
        )
        for place in range(240)
    ]  # fmt: skip


def syslog_hour(hour: str, seed: int = 1) -> list[dict]:
    """Programs of a few hosts."""
    choose, rows = random.Random(f"{hour} {seed}"), []
    for place in range(200):
        program, level = choose.choice(["sshd", "cron", "kernel"]), choose.choice(["info", "info", "info", "err"])
        named = {
            "principal": f"host{choose.randrange(4)}",
            "principal_type": "host",
            "peer": program,
            "service": program,
        }
        source = {"source_ip": f"10.0.{choose.randrange(3)}.{choose.randrange(20)}" if program == "sshd" else None}
        said = {"action": f"{program}/{level}", "error": level if level == "err" else None}
        rows.append(at(hour, choose.random() * 60, place, **(named | source | said)))
    return rows


def finding_hour(hour: str, seed: int = 1) -> list[dict]:
    """Findings about a few instances."""
    choose, rows = random.Random(f"{hour} {seed}"), []
    for place in range(60):
        severity = choose.choice(["low", "low", "medium"])
        named = {"principal": f"i-{choose.randrange(6)}", "principal_type": "Instance", "peer": f"{ACCOUNT}/eu-west-1"}
        said = {
            "service": "guardduty",
            "action": choose.choice(["Recon:EC2/PortProbe", "Trojan:EC2/DNSDataExfiltration"]),
        }
        rows.append(
            at(hour, choose.random() * 60, place, account=ACCOUNT, severity=severity, error=severity, **named, **said)
        )
    return rows


def call_hour(hour: str, seed: int = 1) -> list[dict]:
    """CloudTrail of one role."""
    choose, rows = random.Random(f"{hour} {seed}"), []
    for place in range(150):
        action = choose.choice(
            ["s3:GetObject", "s3:PutObject", "sqs:ReceiveMessage", f"svc{choose.randrange(30)}:List"]
        )
        named = {
            "principal": f"{ACCOUNT}/role",
            "principal_type": "AssumedRole",
            "account": ACCOUNT,
            "region": "eu-west-1",
        }
        said = {"service": action.split(":")[0], "action": action, "read_only": False, "user_agent": "Boto3/1.34.2"}
        rows.append(at(hour, choose.random() * 60, place, source_ip=f"10.0.0.{choose.randrange(9)}", **named, **said))
    return rows


HOURS = {
    "cloudtrail": call_hour,
    "vpc_flow": flow_hour,
    "web_access": web_hour,
    "route53_resolver": dns_hour,
    "syslog": syslog_hour,
    "guardduty": finding_hour,
}


def settled(log_format: str, days: int = 4):
    """Model, state after some days of habits, and the hour that follows."""
    model, state = load_model(MODELS, log_format), None
    every = hours(0, days + 1)
    for hour in every[: 24 * days : 4]:
        state = update(state, [frame(HOURS[log_format](hour))], hour, format=log_format, model=model)
    assert state is not None
    return model, state, every[24 * days]


def shuffled(batch: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The same rows in another order."""
    return batch.sample(fraction=1.0, shuffle=True, seed=seed)
