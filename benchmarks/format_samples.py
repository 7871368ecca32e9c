"""Invented logs of every format, for measuring the log parser, and how a script would ordinarily read each.

Belongs here: a template for a record of each format, and the pools of values put into it. Does not belong here:
measuring (``formats``). CloudTrail and VPC flow logs are those of `inputs`.

In a template ``⟨name⟩`` stands for a value drawn from a pool, so that addresses, times and paths differ as they do in
real logs. The ordinary way is ``json.loads`` for JSON, a compiled regular expression or ``str.split`` for text.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["SAMPLES", "Sample", "make_content"]

_POOL = 2_000
_START = datetime(2026, 11, 23, 10, tzinfo=UTC)
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "curl/8.5.0",
    "aws-cli/2.15.30 Python/3.11.8 Linux/6.1 exe/x86_64",
    "okhttp/4.12.0",
)
_TOKEN = re.compile("⟨([a-z_]+)⟩")


def _pools(draw: random.Random) -> dict[str, list[str]]:
    """Values by name. Times ascend within the hour."""
    moments = [_START + timedelta(seconds=3_599 * place / _POOL, microseconds=place * 37) for place in range(_POOL)]

    def several(make: Callable[[], object]) -> list[str]:
        return [str(make()) for _ in range(_POOL)]

    return {
        "iso": [f"{at:%Y-%m-%dT%H:%M:%S.%f}Z" for at in moments],
        "iso_s": [f"{at:%Y-%m-%dT%H:%M:%S}Z" for at in moments],
        "iso_ms": [f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z" for at in moments],
        "naive_s": [f"{at:%Y-%m-%dT%H:%M:%S}" for at in moments],
        "clf": [f"{at:%d/%b/%Y:%H:%M:%S} +0000" for at in moments],
        "bsd": [f"{at:%b %d %H:%M:%S}" for at in moments],
        "date": [f"{at:%Y-%m-%d}" for at in moments],
        "clock": [f"{at:%H:%M:%S}" for at in moments],
        "compact": [f"{at:%Y%m%d %H:%M:%S}" for at in moments],
        "epoch": [str(int(at.timestamp())) for at in moments],
        "epoch_ms": [str(int(at.timestamp() * 1_000)) for at in moments],
        "epoch_f": [f"{at.timestamp():.6f}" for at in moments],
        "ip": several(lambda: f"{draw.choice((10, 52, 198))}.{draw.randrange(256)}.{draw.randrange(256)}.7"),
        "inner": several(lambda: f"10.0.{draw.randrange(16)}.{draw.randrange(1, 255)}"),
        "port": several(lambda: draw.randrange(1_024, 65_536)),
        "small": several(lambda: draw.randrange(100)),
        "bytes": several(lambda: draw.randrange(100, 90_000)),
        "seconds": several(lambda: f"0.{draw.randrange(1_000):03d}"),
        "status": several(lambda: draw.choice((200, 200, 200, 304, 403, 404, 502))),
        "method": several(lambda: draw.choice(("GET", "GET", "POST", "HEAD"))),
        "path": several(
            lambda: f"/{draw.choice(('api', 'img', 'shop'))}/{draw.randrange(10**6)}?q={draw.random():.6f}"
        ),
        "agent": several(lambda: draw.choice(_AGENTS)),
        "agent_plus": several(lambda: draw.choice(_AGENTS).replace(" ", "+")),
        "agent_url": several(lambda: draw.choice(_AGENTS).replace(" ", "%20")),
        "hex": several(lambda: f"{draw.getrandbits(64):016x}"),
        "id": several(lambda: f"{draw.getrandbits(128):032x}"),
        "name": several(lambda: f"host{draw.randrange(500)}.example.com"),
        "user": several(lambda: f"user{draw.randrange(200)}"),
        "account": several(lambda: draw.choice(("111122223333", "444455556666"))),
        "action": several(lambda: draw.choice(("ALLOW", "BLOCK"))),
        "accept": several(lambda: draw.choice(("ACCEPT", "REJECT"))),
    }


@dataclass(frozen=True)
class Sample:
    """A log to measure with.

    Attributes:
        record: the template of a record, with its line end where it has one.
        ordinary: how a script reads it: ``json``, or a regular expression, or a separator.
        header: what precedes the records.
    """

    record: str
    ordinary: str
    header: str = ""

    def read_ordinarily(self, content: bytes) -> list[dict[str, Any]]:
        """The content as rows, the way a script would do it."""
        text = content.decode()
        lines = [line for line in text.split("\n") if line and not line.startswith("#")]
        if self.ordinary == "json":
            return [
                {
                    name: json.dumps(value) if isinstance(value, dict | list) else value
                    for name, value in json.loads(line).items()
                }
                for line in lines
            ]
        if len(self.ordinary) == 1:
            return [dict(enumerate(line.split(self.ordinary))) for line in lines]  # type: ignore[misc]
        pattern = re.compile(self.ordinary)
        return [match.groupdict() for line in lines if (match := pattern.match(line))]


def make_content(sample: Sample, size: int, seed: int = 7) -> tuple[bytes, int]:
    """About ``size`` bytes of a log, the same for the same seed, and the number of its records."""
    draw = random.Random(seed)  # noqa: S311 - logs, not secrets
    pools = _pools(draw)
    made, length, number = [sample.header], len(sample.header), 0
    while length < size:
        place = number % _POOL
        moving = {"iso", "iso_s", "iso_ms", "naive_s", "clf", "bsd", "date", "clock", "compact"}
        moving |= {"epoch", "epoch_ms", "epoch_f"}
        record = _TOKEN.sub(
            lambda token: pools[token[1]][place if token[1] in moving else draw.randrange(_POOL)],  # noqa: B023
            sample.record,
        )
        made.append(record)
        length += len(record)
        number += 1
    return "".join(made).encode(), number


_FIELD, _QUOTED = r"(\S+)", r'"((?:[^"\\]|\\.)*)"'


def _fields(*patterns: str) -> str:
    """A regular expression of fields with a space between them, each in a group of its own."""
    return " ".join(pattern.replace("(", f"(?P<f{place}>", 1) for place, pattern in enumerate(patterns))


def _json(**fields: Any) -> str:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False) + "\n"


_F = _FIELD
SAMPLES: dict[str, Sample] = {
    "alb": Sample(
        "https ⟨iso⟩ app/web/50dc6c495c0c9188 ⟨ip⟩:⟨port⟩ ⟨inner⟩:80 ⟨seconds⟩ ⟨seconds⟩ 0.000 ⟨status⟩ ⟨status⟩ "
        '⟨bytes⟩ ⟨bytes⟩ "⟨method⟩ https://www.example.com:443⟨path⟩ HTTP/1.1" "⟨agent⟩" ECDHE-RSA-AES128-GCM-SHA256 '
        "TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:111122223333:targetgroup/web/73e2d6bc24d8a067 "
        '"Root=1-58337281-⟨hex⟩" "www.example.com" "arn:aws:acm:us-east-2:111122223333:certificate/1" 1 ⟨iso⟩ '
        '"forward" "-" "-" "⟨inner⟩:80" "⟨status⟩" "-" "-" TID_⟨hex⟩\n',
        _fields(*[_F] * 12, *[_QUOTED] * 2, *[_F] * 3, *[_QUOTED] * 3, *[_F] * 2, *[_QUOTED] * 7, _F),
    ),
    "nlb": Sample(
        "tls 2.0 ⟨naive_s⟩ net/edge/c6e77e28c25b2234 g3d4b5e8bb8464cd ⟨ip⟩:⟨port⟩ ⟨inner⟩:443 ⟨small⟩ ⟨small⟩ ⟨bytes⟩ "
        "⟨bytes⟩ - arn:aws:acm:us-east-2:111122223333:certificate/2 - ECDHE-RSA-AES128-SHA tlsv12 - "
        'edge.elb.us-east-2.amazonaws.com h2 h2 "h2","http/1.1" ⟨naive_s⟩\n',
        _fields(*[_F] * 22),
    ),
    "elb": Sample(
        "⟨iso⟩ classic ⟨ip⟩:⟨port⟩ ⟨inner⟩:80 ⟨seconds⟩ ⟨seconds⟩ 0.000037 ⟨status⟩ ⟨status⟩ ⟨bytes⟩ ⟨bytes⟩ "
        '"⟨method⟩ https://www.example.com:443⟨path⟩ HTTP/1.1" "⟨agent⟩" DHE-RSA-AES128-SHA TLSv1.2\n',
        _fields(*[_F] * 11, _QUOTED, _QUOTED, _F, _F),
    ),
    "s3_access": Sample(
        "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be logs [⟨clf⟩] ⟨ip⟩ "
        "arn:aws:iam::111122223333:user/⟨user⟩ ⟨hex⟩ REST.GET.OBJECT ⟨hex⟩.gz "
        '"⟨method⟩ /logs⟨path⟩ HTTP/1.1" ⟨status⟩ - ⟨bytes⟩ ⟨bytes⟩ ⟨small⟩ ⟨small⟩ "-" "⟨agent⟩" - ⟨id⟩= SigV4 '
        "ECDHE-RSA-AES128-GCM-SHA256 AuthHeader logs.s3.amazonaws.com TLSv1.2 - -\n",
        _fields(_F, _F, r"\[([^\]]*)\]", *[_F] * 5, _QUOTED, *[_F] * 6, _QUOTED, _QUOTED, *[_F] * 7),
    ),
    "web_access": Sample(
        '⟨ip⟩ - ⟨user⟩ [⟨clf⟩] "⟨method⟩ ⟨path⟩ HTTP/1.1" ⟨status⟩ ⟨bytes⟩ "https://www.example.com/" "⟨agent⟩"\n',
        _fields(_F, _F, _F, r"\[([^\]]*)\]", _QUOTED, _F, _F, _QUOTED, _QUOTED),
    ),
    "cloudfront": Sample(
        "⟨date⟩\t⟨clock⟩\tFRA56-C1\t⟨bytes⟩\t⟨ip⟩\t⟨method⟩\td111111abcdef8.cloudfront.net\t/img/⟨hex⟩\t⟨status⟩\t-\t"
        "⟨agent_url⟩\tq=⟨hex⟩\t-\tHit\t⟨id⟩==\twww.example.com\thttps\t⟨bytes⟩\t⟨seconds⟩\t-\tTLSv1.3\t"
        "TLS_AES_128_GCM_SHA256\tHit\tHTTP/2.0\t-\t-\t⟨port⟩\t⟨seconds⟩\tHit\ttext/html\t⟨bytes⟩\t-\t-\n",
        "\t",
        "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status "
        "cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header "
        "cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type "
        "cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type "
        "sc-content-type sc-content-len sc-range-start sc-range-end\n",
    ),
    "w3c": Sample(
        "⟨date⟩ ⟨clock⟩ ⟨inner⟩ ⟨method⟩ /default.aspx id=⟨hex⟩ 443 ⟨user⟩ ⟨ip⟩ ⟨agent_plus⟩ - ⟨status⟩ 0 0 ⟨small⟩\n",
        " ",
        "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Fields: date time s-ip cs-method "
        "cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus "
        "sc-win32-status time-taken\n",
    ),
    "tgw_flow": Sample(
        "6 TransitGateway ⟨account⟩ tgw-0a1b tgw-attach-0c2d 111122223333 444455556666 vpc-01 vpc-02 subnet-01 "
        "subnet-02 eni-01 eni-02 use1-az4 use1-az5 tgw-attach-9 ⟨inner⟩ ⟨inner⟩ ⟨port⟩ 443 6 ⟨small⟩ ⟨bytes⟩ ⟨epoch⟩ "
        "⟨epoch⟩ OK IPv4 "
        "0 0 0 0 2 us-east-1 ingress - -\n",
        " ",
        "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id "
        "tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id "
        "tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
        "log-status type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded "
        "packets-lost-ttl-expired tcp-flags region flow-direction pkt-src-aws-service pkt-dst-aws-service\n",
    ),
    "route53_public": Sample("1.0 ⟨iso_ms⟩ Z123412341234 ⟨name⟩ A NOERROR UDP FRA50 ⟨ip⟩ -\n", " "),
    "waf": Sample(
        _json(
            timestamp="⟨epoch_ms⟩",
            formatVersion=1,
            webaclId="arn:aws:wafv2:us-east-1:111122223333:regional/webacl/web/a1",
            terminatingRuleId="Default_Action",
            terminatingRuleType="REGULAR",
            action="⟨action⟩",
            terminatingRuleMatchDetails=[],
            httpSourceName="ALB",
            httpSourceId="111122223333-app/web/50dc6c495c0c9188",
            ruleGroupList=[
                {
                    "ruleGroupId": "AWS#AWSManagedRulesCommonRuleSet",
                    "terminatingRule": None,
                    "nonTerminatingMatchingRules": [],
                    "excludedRules": None,
                }
            ],
            rateBasedRuleList=[],
            nonTerminatingMatchingRules=[],
            requestHeadersInserted=None,
            responseCodeSent=None,
            httpRequest={
                "clientIp": "⟨ip⟩",
                "country": "DE",
                "headers": [{"name": "Host", "value": "⟨name⟩"}, {"name": "User-Agent", "value": "⟨agent⟩"}],
                "uri": "⟨path⟩",
                "args": "",
                "httpVersion": "HTTP/2.0",
                "httpMethod": "⟨method⟩",
                "requestId": "1-⟨hex⟩",
            },
        ).replace('"⟨epoch_ms⟩"', "⟨epoch_ms⟩"),
        "json",
    ),
    "route53_resolver": Sample(
        _json(
            version="1.100000",
            account_id="⟨account⟩",
            region="eu-central-1",
            vpc_id="vpc-0a1b2c3d",
            query_timestamp="⟨iso_s⟩",
            query_name="⟨name⟩.",
            query_type="A",
            query_class="IN",
            rcode="NOERROR",
            answers=[{"Rdata": "⟨ip⟩", "Type": "A", "Class": "IN"}],
            srcaddr="⟨inner⟩",
            srcport="⟨port⟩",
            transport="UDP",
            srcids={"instance": "i-⟨hex⟩"},
        ),
        "json",
    ),
    "network_firewall": Sample(
        _json(
            firewall_name="edge",
            availability_zone="eu-central-1a",
            event_timestamp="⟨epoch⟩",
            event={
                "timestamp": "⟨iso⟩",
                "flow_id": 582438383425873,
                "event_type": "netflow",
                "src_ip": "⟨ip⟩",
                "src_port": 55555,
                "dest_ip": "⟨inner⟩",
                "dest_port": 443,
                "proto": "TCP",
                "netflow": {"pkts": 5, "bytes": 322, "start": "⟨iso⟩", "end": "⟨iso⟩", "age": 0, "min_ttl": 64},
                "tcp": {"tcp_flags": "1b", "syn": True, "fin": True, "psh": True, "ack": True},
            },
        ),
        "json",
    ),
    "guardduty": Sample(
        _json(
            schemaVersion="2.0",
            accountId="⟨account⟩",
            region="eu-central-1",
            partition="aws",
            id="⟨id⟩",
            arn="arn:aws:guardduty:eu-central-1:111122223333:detector/d/finding/⟨id⟩",
            type="Recon:EC2/PortProbeUnprotectedPort",
            resource={"resourceType": "Instance", "instanceDetails": {"instanceId": "i-⟨hex⟩", "tags": []}},
            service={
                "serviceName": "guardduty",
                "action": {"actionType": "PORT_PROBE", "portProbeAction": {"blocked": False}},
                "eventFirstSeen": "⟨iso_s⟩",
                "eventLastSeen": "⟨iso_s⟩",
                "count": 3,
            },
            severity=2,
            createdAt="⟨iso_ms⟩",
            updatedAt="⟨iso_ms⟩",
            title="Unprotected port on EC2 instance is being probed.",
            description="EC2 instance has an unprotected port which is being probed by a known malicious host.",
        ),
        "json",
    ),
    "eks_audit": Sample(
        _json(
            kind="Event",
            apiVersion="audit.k8s.io/v1",
            level="Metadata",
            auditID="⟨id⟩",
            stage="ResponseComplete",
            requestURI="/api/v1/namespaces/default/pods/⟨hex⟩",
            verb="get",
            user={"username": "⟨user⟩", "groups": ["system:authenticated"]},
            sourceIPs=["⟨ip⟩"],
            userAgent="⟨agent⟩",
            objectRef={"resource": "pods", "namespace": "default", "name": "⟨hex⟩", "apiVersion": "v1"},
            responseStatus={"metadata": {}, "code": 200},
            requestReceivedTimestamp="⟨iso⟩",
            stageTimestamp="⟨iso⟩",
            annotations={"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
        ),
        "json",
    ),
    "json_lines": Sample(
        _json(time="⟨iso_ms⟩", level="info", host="⟨name⟩", message="request done", user="⟨user⟩", status=200), "json"
    ),
    "syslog": Sample(
        "<86>⟨bsd⟩ web01 sshd[⟨port⟩]: Accepted publickey for ⟨user⟩ from ⟨ip⟩ port ⟨port⟩ ssh2: ED25519 SHA256:⟨id⟩\n",
        r"<(?P<pri>\d+)>(?P<time>\w{3} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S+) (?P<tag>[^:\[]+)(?:\[(?P<pid>\d+)\])?: "
        r"(?P<message>.*)",
    ),
    "cef": Sample(
        "<134>⟨bsd⟩ fw01 CEF:0|Acme|Firewall|4.2|100|Connection ⟨action⟩|3|src=⟨ip⟩ spt=⟨port⟩ dst=⟨inner⟩ dpt=443 "
        "proto=TCP act=⟨action⟩ suser=⟨user⟩ in=⟨bytes⟩ out=⟨bytes⟩ rt=⟨epoch_ms⟩ request=https://⟨name⟩⟨path⟩\n",
        r"<\d+>.*?CEF:(?P<version>\d)\|(?P<vendor>[^|]*)\|(?P<product>[^|]*)\|(?P<release>[^|]*)\|(?P<id>[^|]*)\|"
        r"(?P<name>[^|]*)\|(?P<severity>[^|]*)\|(?P<extension>.*)",
    ),
    "leef": Sample(
        "LEEF:2.0|Acme|Proxy|1.0|⟨action⟩|^|src=⟨ip⟩^dst=⟨inner⟩^srcPort=⟨port⟩^dstPort=443^usrName=⟨user⟩^"
        "devTime=⟨epoch_ms⟩^url=https://⟨name⟩⟨path⟩\n",
        r"LEEF:(?P<version>[\d.]+)\|(?P<vendor>[^|]*)\|(?P<product>[^|]*)\|(?P<release>[^|]*)\|(?P<id>[^|]*)\|"
        r"(?P<delimiter>[^|]*)\|(?P<rest>.*)",
    ),
    "logfmt": Sample(
        'time=⟨iso_ms⟩ level=info host=⟨name⟩ msg="request done" user=⟨user⟩ status=⟨status⟩ bytes=⟨bytes⟩\n', " "
    ),
    "rds_audit": Sample("⟨compact⟩,ip-10-0-0-5,⟨user⟩,⟨inner⟩,⟨small⟩,⟨port⟩,QUERY,shop,'SELECT 1',0\n", ","),
    "csv": Sample(
        "⟨iso_s⟩,⟨ip⟩,⟨user⟩,⟨method⟩,⟨path⟩,⟨status⟩,⟨bytes⟩\n", ",", "time,source_ip,user,method,path,status,bytes\n"
    ),
    "zeek": Sample(
        "⟨epoch_f⟩\tC⟨hex⟩\t⟨inner⟩\t⟨port⟩\t⟨ip⟩\t443\ttcp\tssl\t⟨seconds⟩\t⟨bytes⟩\t⟨bytes⟩\tSF\tT\tF\t0\tShADadFf\t"
        "⟨small⟩\t⟨bytes⟩\t⟨small⟩\t⟨bytes⟩\t-\n",
        "\t",
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
        "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\t"
        "resp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\t"
        "resp_ip_bytes\ttunnel_parents\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\t"
        "count\tstring\tbool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\n",
    ),
}
