"""The attack story: a stolen access key, from the first look around to the data leaving.

Belongs here: the sequence of calls and the matching network traffic. Does not belong here: ordinary activity.

The key belongs to a user of the cast, so its history makes the intruder stand out: a network and a client it never
had, calls it never made, a region it never used. Beginning and order follow what published incident reports describe.
"""

import functools
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.local.generator.cast import PROD, REGIONS, Principal
from s3sentinel_assets.local.generator.cloudtrail import Session, records_file
from s3sentinel_assets.local.generator.draws import rng_for, unique_id
from s3sentinel_assets.local.generator.flows import HEADERS, Flow, format_line
from s3sentinel_assets.local.generator.generator import Generator
from s3sentinel_assets.local.generator.layout import WINDOW_SECONDS, cloudtrail_key, flow_log_key, pack
from s3sentinel_assets.local.generator.model import SeedObject
from s3sentinel_assets.local.generator.network import flow_logs

__all__ = ["ATTACKER_ADDRESS", "BACKDOOR_USER", "DROP_ADDRESS", "VICTIM_USER", "attack_story"]

VICTIM_USER = "backup-operator"
BACKDOOR_USER = "aws-support-sync"
ATTACKER_ADDRESS = "198.51.100.23"
DROP_ADDRESS = "198.51.100.77"

_TOOL = "aws-cli/2.27.0 md/awscrt#0.26.1 ua/2.1 os/linux#6.12.13-amd64 md/arch#x86_64 md/distrib#kali.2025"
_BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
_HOME, _OTHER = REGIONS
_DENIED = "AccessDenied"
_NEW: dict[str, str] = {"user": BACKDOOR_USER}
_LOOT = {"bucket": "acme-prod-customer-exports"}

#: (seconds into the story, call, region, error, slot values, how often, seconds apart); by the victim's key.
_STOLEN_KEY: tuple[tuple[int, str, str, str | None, dict[str, str], int, int], ...] = (
    (0, "sts:GetCallerIdentity", _HOME, None, {}, 2, 4),
    (25, "iam:ListUsers", _HOME, None, {}, 1, 0),
    (31, "iam:ListRoles", _HOME, None, {}, 2, 3),
    (44, "iam:GetAccountAuthorizationDetails", _HOME, _DENIED, {}, 3, 2),
    (58, "s3:ListBuckets", _HOME, None, {}, 1, 0),
    (66, "secretsmanager:ListSecrets", _HOME, None, {}, 1, 0),
    (72, "secretsmanager:GetSecretValue", _HOME, _DENIED, {}, 6, 2),
    (95, "ec2:DescribeInstances", _HOME, None, {}, 1, 0),
    (99, "ec2:DescribeRegions", _HOME, None, {}, 1, 0),
    (104, "ec2:DescribeInstances", _OTHER, None, {}, 1, 0),
    (109, "ec2:DescribeSnapshots", _OTHER, None, {}, 2, 3),
    (118, "rds:DescribeDBSnapshots", _HOME, None, {}, 2, 3),
    (130, "cloudtrail:DescribeTrails", _HOME, None, {}, 1, 0),
    (138, "guardduty:ListDetectors", _HOME, _DENIED, {}, 1, 0),
    (240, "iam:CreateUser", _HOME, None, _NEW, 1, 0),
    (246, "iam:AttachUserPolicy", _HOME, None, _NEW, 1, 0),
    (252, "iam:CreateAccessKey", _HOME, None, _NEW, 1, 0),
    (260, "iam:CreateLoginProfile", _HOME, None, _NEW, 1, 0),
)
#: The same, by the user the intruder made.
_BACKDOOR: tuple[tuple[int, str, str, str | None, dict[str, str], int, int], ...] = (
    (420, "signin:ConsoleLogin", _HOME, None, {}, 1, 0),
    (450, "cloudtrail:GetTrailStatus", _HOME, None, {}, 1, 0),
    (470, "cloudtrail:StopLogging", _HOME, None, {}, 1, 0),
    (600, "ec2:ModifySnapshotAttribute", _HOME, None, {}, 4, 6),
    (690, "ssm:StartSession", _HOME, None, {}, 1, 0),
    (720, "s3:ListObjects", _HOME, None, _LOOT, 8, 3),
    (760, "s3:GetObject", _HOME, None, _LOOT, 80, 5),
)


@functools.cache
def _backdoor_user(seed: int) -> Principal:
    agents, networks = (_TOOL,), (ATTACKER_ADDRESS,)
    own = {"snapshot": (f"snap-0{seed:016x}",)}
    return Principal(BACKDOOR_USER, "user", PROD, "", 0, {}, networks, agents, own=own)


def attack_story(generator: Generator, hour: str) -> Iterator[SeedObject]:
    """The objects an attack adds to an hour: CloudTrail files of two regions and flow log files.

    Args:
        generator: its cast holds the victim.
        hour: everything happens and arrives in this hour.
    """
    yield from _calls(generator, hour)
    yield from _traffic(generator, hour)


def _calls(generator: Generator, hour: str) -> Iterator[SeedObject]:
    seed, scribe = generator.seed, generator.scribe
    rng = rng_for(seed, "attack", hour)
    begin = hour_start(hour) + timedelta(minutes=8)
    victim = next(who for who in generator.cast if who.name == VICTIM_USER)
    stolen = replace(scribe.session(victim, begin, rng), address=ATTACKER_ADDRESS, agent=_TOOL)
    made = Session(BACKDOOR_USER, unique_id(rng, "AKIA"), begin, ATTACKER_ADDRESS, _TOOL)
    windows: dict[tuple[datetime, str], list[tuple[datetime, str]]] = {}
    for principal, session, steps in ((victim, stolen, _STOLEN_KEY), (_backdoor_user(seed), made, _BACKDOOR)):
        for offset, name, region, error, values, times, apart in steps:
            for turn in range(times):
                when = begin + timedelta(seconds=offset + turn * apart)
                used = replace(session, agent=_BROWSER) if name == "signin:ConsoleLogin" else session
                text = scribe.write(principal, used, name, when, region, rng, error=error, values=values)
                window = datetime.fromtimestamp(int(when.timestamp()) // WINDOW_SECONDS * WINDOW_SECONDS, when.tzinfo)
                windows.setdefault((window, region), []).append((when, text))
    for (window, region), written in sorted(windows.items()):
        end = window + timedelta(seconds=WINDOW_SECONDS)
        yield SeedObject(
            source="cloudtrail",
            key=cloudtrail_key(PROD, region, end, rng),
            body=pack(records_file([text for _, text in sorted(written, key=lambda item: item[0])])),
            last_modified=end + timedelta(seconds=rng.randint(130, 600)),
            events=len(written),
            note="attack",
        )


def _traffic(generator: Generator, hour: str) -> Iterator[SeedObject]:
    """An instance the intruder took over sweeps its neighbours, then sends gigabytes to a host nobody knows."""
    rng = rng_for(generator.seed, "attack flows", hour)
    log = flow_logs(generator.seed)[0]
    taken = log.interfaces["app"][0]
    prefix = taken.address.rsplit(".", 2)[0]
    first = int(hour_start(hour).timestamp()) + 20 * 60
    for window in range(3):
        lines = []
        start = first + window * WINDOW_SECONDS
        if window == 0:
            for port in (22, 445, 3389):
                for host in range(1, 21):
                    probe = Flow(
                        taken, taken.address, f"{prefix}.{taken.address.split('.')[2]}.{host}", 40000 + host, port,
                        6, 1, 60, accepted=False, egress=True, flags=2,
                    )  # fmt: skip
                    lines.append(format_line(log, probe, start + host, start + 58))
        for minute in range(5):
            opened = start + minute * 60
            packets = rng.randint(60_000, 210_000)
            there = Flow(
                taken, taken.address, DROP_ADDRESS, 51544, 443, 6, packets, packets * 1448, accepted=True, egress=True
            )
            back = Flow(
                taken,
                DROP_ADDRESS,
                taken.address,
                443,
                51544,
                6,
                packets // 40,
                packets * 2,
                accepted=True,
                egress=False,
            )
            lines.extend(format_line(log, flow, opened, opened + 59) for flow in (there, back))
        end = hour_start(hour) + timedelta(minutes=25 + 5 * window)
        yield SeedObject(
            source="vpc_flow",
            key=flow_log_key(log.account, log.region, log.name, end, rng),
            body=pack("\n".join([HEADERS[log.version], *lines, ""])),
            last_modified=end + timedelta(seconds=rng.randint(40, 240)),
            events=len(lines),
            note="attack",
        )
