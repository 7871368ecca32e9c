"""The fields of Zeek's logs that tables have a place for, and which log has which.

Source: Zeek, "Zeek Script Reference": ``Conn::Info``, ``DNS::Info``, ``HTTP::Info`` (docs.zeek.org/en/master/scripts/
base/protocols/…/main.zeek.html), "Log files" (docs.zeek.org/en/master/script-reference/log-files.html); Corelight's
``_path``, ``_system_name`` and ``_write_ts``.

Belongs here: names and types, whatever the file's form. Does not belong here: reading (``parser``, ``json_parser``),
tables (``columns``).
"""

from typing import Literal, TypeAlias

__all__ = ["FIELDS", "GROUPS", "KNOWN", "OTHER", "PATH", "Kind"]

#: What a field holds; ``any`` is a text in one log and a list in another.
Kind: TypeAlias = Literal["text", "int", "float", "bool", "list", "any"]

#: Raw column for the name of the log, such as ``conn``.
PATH = "_path"
_COMMON: dict[str, Kind] = {
    "ts": "any", "uid": "text", "id.orig_h": "text", "id.orig_p": "int", "id.resp_h": "text", "id.resp_p": "int",
    PATH: "text", "_system_name": "text", "_write_ts": "any", "community_id": "text",
}  # fmt: skip
_CONN: dict[str, Kind] = {
    "proto": "text", "service": "any", "duration": "float", "orig_bytes": "int", "resp_bytes": "int",
    "conn_state": "text", "local_orig": "bool", "local_resp": "bool", "missed_bytes": "int", "history": "text",
    "orig_pkts": "int", "orig_ip_bytes": "int", "resp_pkts": "int", "resp_ip_bytes": "int", "tunnel_parents": "list",
    "ip_proto": "int", "vlan": "int", "inner_vlan": "int", "orig_l2_addr": "text", "resp_l2_addr": "text",
}  # fmt: skip
_DNS: dict[str, Kind] = {
    "proto": "text", "trans_id": "int", "rtt": "float", "query": "text", "qclass": "int", "qclass_name": "text",
    "qtype": "int", "qtype_name": "text", "rcode": "int", "rcode_name": "text", "AA": "bool", "TC": "bool",
    "RD": "bool", "RA": "bool", "Z": "int", "answers": "list", "TTLs": "list", "rejected": "bool",
}  # fmt: skip
_HTTP: dict[str, Kind] = {
    "trans_depth": "int", "method": "text", "host": "text", "uri": "text", "referrer": "text", "version": "any",
    "user_agent": "text", "origin": "text", "request_body_len": "int", "response_body_len": "int",
    "status_code": "int", "status_msg": "text", "info_code": "int", "info_msg": "text", "tags": "list",
    "username": "text", "password": "text", "proxied": "list", "orig_fuids": "list", "orig_filenames": "list",
    "orig_mime_types": "list", "resp_fuids": "list", "resp_filenames": "list", "resp_mime_types": "list",
}  # fmt: skip
#: Of the other logs: fields that the custom table has a column for.
OTHER: dict[str, Kind] = {
    **_COMMON, **_CONN, "fuid": "text", "host": "text", "server_name": "text", "username": "text", "user": "text",
    "client": "text", "message": "text", "msg": "text", "name": "text", "addl": "text",
}  # fmt: skip

#: The names that logs of one kind have.
GROUPS = {"conn": ("conn", "conn_long", "conn_red"), "dns": ("dns", "dns_red"), "http": ("http", "http_red")}
#: Kind of log → the fields that its mapping places; those of ``other`` are all kept as they are.
KNOWN: dict[str, dict[str, Kind]] = {
    "conn": {**_COMMON, **_CONN},
    "dns": {**_COMMON, **_DNS},
    "http": {**_COMMON, **_HTTP},
}
#: All of them.
FIELDS: dict[str, Kind] = {**_HTTP, **_DNS, **OTHER}
