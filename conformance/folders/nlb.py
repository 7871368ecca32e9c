"""Network Load Balancer logs: a sample of OpenTelemetry's collector, cut at its spaces."""

from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import by_place

__all__ = ["cases"]

_NAMES = [
    "type",
    "version",
    "time",
    "elb",
    "listener",
    "client_port",
    "destination_port",
    "connection_time",
    "tls_handshake_time",
    "received_bytes",
    "sent_bytes",
    "incoming_tls_alert",
    "chosen_cert_arn",
    "chosen_cert_serial",
    "tls_cipher",
    "tls_protocol_version",
    "tls_named_group",
    "domain_name",
    "alpn_fe_protocol",
    "alpn_be_protocol",
    "alpn_client_preference_list",
    "tls_connection_creation_time",
]
COLUMNS = {
    "type": "NLBType",
    "version": "Version",
    "time": "TimeGenerated",
    "elb": "Nlb",
    "listener": "Listener",
    "client_port": "ClientIPPort",
    "destination_port": "TargetIPPort",
    "connection_time": "ConnectionTime",
    "tls_handshake_time": "TlsHandshakeTime",
    "received_bytes": "ReceivedBytes",
    "sent_bytes": "SentBytes",
    "incoming_tls_alert": "IncomingTLSAlert",
    "chosen_cert_arn": "ChosenCertArn",
    "chosen_cert_serial": "ChosenCertSerial",
    "tls_cipher": "TLSCipher",
    "tls_protocol_version": "TLSProtocolVersion",
    "tls_named_group": "TLSNamedGroup",
    "domain_name": "DomainName",
    "alpn_fe_protocol": "ALPNFEProtocol",
    "alpn_be_protocol": "ALPNBEProtocol",
    "alpn_client_preference_list": "ALPNClientPrefList",
    "tls_connection_creation_time": "TLSConnectionCreationTime",
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for file in sorted(folder.glob("*.log")):
        lines = file.read_text(encoding="utf-8").splitlines()
        fields = [
            each for row, line in enumerate(lines) for each in by_place(line.split(" "), _NAMES, COLUMNS, row=row)
        ]
        yield Case(file.name, "nlb", file.read_bytes(), len(lines), tuple(fields))
