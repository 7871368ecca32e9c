"""Texts of known templates, to judge a miner by: written by hand after what such programs log, values drawn at random.

A template's ``{slot}`` is a value. Names of users, hosts and services are plain words on purpose, and skewed: most
attempts are against one account, as in real life.
"""

# ruff: noqa: E501 - log lines are as long as they are

import random
import string

import polars as pl

__all__ = ["SETS", "grouping", "labelled"]

_USERS = [
    "root",
    "admin",
    "oracle",
    "test",
    "guest",
    "ubuntu",
    "git",
    "postgres",
    "mysql",
    "pi",
    "deploy",
    "alice",
    "bob",
    "carol",
    "dave",
    "erin",
    "frank",
    "grace",
    "heidi",
    "ivan",
    "judy",
    "mallory",
    "niaj",
    "olivia",
    "peggy",
    "rupert",
    "sybil",
    "trent",
    "victor",
    "walter",
]
_SERVICES = [
    "nginx",
    "sshd",
    "cron",
    "rsyslog",
    "docker",
    "kubelet",
    "chronyd",
    "NetworkManager",
    "firewalld",
    "auditd",
    "postfix",
    "dovecot",
    "redis",
    "mariadb",
    "systemd-resolved",
    "systemd-logind",
    "fail2ban",
    "snapd",
    "polkit",
    "udisks2",
    "cups",
    "avahi-daemon",
    "bluetooth",
]
_HOSTS = [f"{name}-{number:02d}.example.net" for name in ("web", "db", "cache", "mail", "build") for number in range(9)]


def _value(slot: str, rng: random.Random) -> str:
    match slot:
        case "user":
            return "root" if rng.random() < 0.6 else rng.choice(_USERS)
        case "service":
            return rng.choice(_SERVICES)
        case "host":
            return rng.choice(_HOSTS)
        case "ip":
            return ".".join(str(rng.randrange(1, 255)) for _ in range(4))
        case "port":
            return str(rng.randrange(1_024, 65_535))
        case "num":
            return str(rng.randrange(10 ** rng.randrange(1, 7)))
        case "hex":
            return f"{rng.getrandbits(48):012x}"
        case "ms":
            return f"{rng.random() * 900:.3f}"
        case "path":
            return "/" + "/".join(rng.choice(_SERVICES) for _ in range(rng.randrange(2, 6))) + ".log"
        case "word":
            return "".join(rng.choices(string.ascii_lowercase, k=rng.randrange(4, 10)))
        case "uuid":
            digits = f"{rng.getrandbits(128):032x}"
            return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        case "time":
            return f"2026-11-{rng.randrange(1, 29):02d}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:07.{rng.randrange(999):03d}Z"
        case "kernel":
            return f"{rng.random() * 1e5:.6f}"
        case "mac":
            return ":".join(f"{rng.randrange(256):02x}" for _ in range(6))
    raise ValueError(slot)


SETS: dict[str, list[str]] = {
    "sshd": [
        "Failed password for {user} from {ip} port {port} ssh2",
        "Failed password for invalid user {user} from {ip} port {port} ssh2",
        "Failed none for invalid user {user} from {ip} port {port} ssh2",
        "Accepted password for {user} from {ip} port {port} ssh2",
        "Accepted publickey for {user} from {ip} port {port} ssh2: RSA SHA256:{hex}",
        "Invalid user {user} from {ip}",
        "input_userauth_request: invalid user {user} [preauth]",
        "Connection closed by {ip} [preauth]",
        "Connection reset by {ip} [preauth]",
        "Received disconnect from {ip}: 11: Bye Bye [preauth]",
        "Received disconnect from {ip}: 11: disconnected by user",
        "Disconnecting: Too many authentication failures for {user} [preauth]",
        "pam_unix(sshd:session): session opened for user {user} by (uid=0)",
        "pam_unix(sshd:session): session closed for user {user}",
        "pam_unix(sshd:auth): check pass; user unknown",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip} user={user}",
        "PAM {num} more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip} user={user}",
        "reverse mapping checking getaddrinfo for {host} [{ip}] failed - POSSIBLE BREAK-IN ATTEMPT!",
        "Did not receive identification string from {ip}",
        "Server listening on 0.0.0.0 port 22.",
        "error: Received disconnect from {ip}: 3: com.jcraft.jsch.JSchException: Auth fail [preauth]",
        "fatal: Write failed: Connection reset by peer [preauth]",
    ],
    "systemd": [
        "Started {service}.",
        "Stopped {service}.",
        "Starting {service}...",
        "Stopping {service}...",
        "{service}.service: Succeeded.",
        "{service}.service: Main process exited, code=exited, status={num}/FAILURE",
        "{service}.service: Failed with result 'exit-code'.",
        "{service}.service: Scheduled restart job, restart counter is at {num}.",
        "Reloading.",
        "New session {num} of user {user}.",
        "Removed session {num}.",
        "Created slice User Slice of {user}.",
        "Session {num} logged out. Waiting for processes to exit.",
        "Reached target Timers.",
        "Mounted {path}.",
        "({user}) CMD ({path})",
        "Time has been changed",
    ],
    "kernel": [
        "[{kernel}] eth0: link up, {num} Mbps, full-duplex",
        "[{kernel}] eth0: link down",
        "[{kernel}] device {word}{num} entered promiscuous mode",
        "[{kernel}] device {word}{num} left promiscuous mode",
        "[{kernel}] Out of memory: Killed process {num} ({service}) total-vm:{num}kB, anon-rss:{num}kB, oom_score_adj:0",
        "[{kernel}] EXT4-fs (sda{num}): mounted filesystem with ordered data mode. Opts: (null)",
        "[{kernel}] EXT4-fs error (device sda{num}): ext4_lookup:{num}: inode #{num}: comm {service}: deleted inode referenced: {num}",
        "[{kernel}] UFW BLOCK IN=eth0 OUT= MAC={mac} SRC={ip} DST={ip} LEN={num} TTL={num} PROTO=TCP SPT={port} DPT={port} SYN URGP=0",
        '[{kernel}] audit: type=1400 audit({num}.{num}:{num}): apparmor="DENIED" operation="open" profile="{path}" pid={num} comm="{service}"',
        '[{kernel}] audit: type=1400 audit({num}.{num}:{num}): apparmor="STATUS" operation="profile_load" name="{path}" pid={num} comm="{service}"',
        "[{kernel}] {service}[{num}]: segfault at {hex} ip 00007f{hex} sp 00007f{hex} error {num} in libc-2.31.so[7f{hex}+178000]",
        "[{kernel}] TCP: request_sock_TCP: Possible SYN flooding on port {port}. Sending cookies.  Check SNMP counters.",
        "[{kernel}] usb 1-{num}: new high-speed USB device number {num} using xhci_hcd",
        "[{kernel}] usb 1-{num}: USB disconnect, device number {num}",
        "[{kernel}] CPU{num}: Package temperature above threshold, cpu clock throttled (total events = {num})",
        "[{kernel}] CPU{num}: Package temperature/speed normal",
    ],
    "application": [
        "User {user} logged in from {host}",
        "User {user} logged out",
        "Job {uuid} for tenant {word} finished in {ms} ms with status ok",
        "Job {uuid} for tenant {word} finished in {ms} ms with status failed",
        "Job {uuid} queued on {host}",
        "Connection from {ip}:{port} to {host} established",
        "Connection from {ip}:{port} to {host} lost after {ms} ms: timeout",
        "Cache miss for key user:{num}:profile",
        "Cache hit for key user:{num}:profile",
        "Retrying request {hex} to {host} (attempt {num} of 5)",
        "Wrote {num} rows to {path}",
        "Read {num} rows from {path}",
        "Heartbeat sent at {time}",
        "Configuration reloaded by {user}",
        "Permission denied for {user} on resource {path}",
        "Token for {user} expired at {time}",
        "Scheduler started with {num} workers",
        "Scheduler stopped",
        "Leader elected: {host}",
        "Dropped message {num} from topic {word} partition {num}",
        "password reset requested for {word}@example.org",
    ],
    "gateway": [
        '{ip}:{port} [{time}] https~ {service}/{host} 0/0/{num}/{num}/{num} 200 {num} - - ---- {num}/{num}/{num}/{num}/0 0/0 "GET {path} HTTP/1.1"',
        "Server {service}/{host} is DOWN, reason: Layer4 timeout, check duration: {num}ms. {num} active and 0 backup servers left.",
        "Server {service}/{host} is UP, reason: Layer4 check passed, check duration: {num}ms. {num} active and 0 backup servers online.",
        "backend {service} has no server available!",
        "Proxy {service} started.",
        "Proxy {service} stopped (FE: {num} conns, BE: {num} conns).",
        "Rejected connection from {ip}: too many open connections",
        "TLS handshake with {ip} failed: certificate expired",
        "TLS handshake with {ip} failed: unknown ca",
        "DHCPACK on {ip} to {mac} via eth0",
        "DHCPREQUEST for {ip} from {mac} via eth0",
        "DHCPDISCOVER from {mac} via eth0",
        "client {ip}#{port} ({host}): query: {host} IN A +E(0)K ({ip})",
        "client {ip}#{port} ({host}): query (cache) '{host}/A/IN' denied",
    ],
    # Written after the miner, to see how it does with what it was not made for.
    "hdfs": [
        "Receiving block blk_{num} src: /{ip}:{port} dest: /{ip}:{port}",
        "PacketResponder {num} for block blk_-{num} terminating",
        "Received block blk_{num} of size {num} from /{ip}",
        "BLOCK* NameSystem.addStoredBlock: blockMap updated: {ip}:{port} is added to blk_{num} size {num}",
        "BLOCK* NameSystem.allocateBlock: {path}. blk_{num}",
        "Verification succeeded for blk_{num}",
        "Deleting block blk_{num} file {path}",
        "{ip}:{port} Served block blk_{num} to /{ip}",
        "{ip}:{port}:Got exception while serving blk_-{num} to /{ip}:",
        "BLOCK* NameSystem.delete: blk_{num} is added to invalidSet of {ip}:{port}",
        "BLOCK* ask {ip}:{port} to replicate blk_{num} to datanode(s) {ip}:{port}",
    ],
    "openstack": [
        '{ip} "GET /v2/{uuid}/servers/detail HTTP/1.1" status: 200 len: {num} time: {ms}',
        "[instance: {uuid}] VM Started (Lifecycle Event)",
        "[instance: {uuid}] VM Paused (Lifecycle Event)",
        "[instance: {uuid}] VM Stopped (Lifecycle Event)",
        "[instance: {uuid}] Took {ms} seconds to spawn the instance on the hypervisor.",
        "[instance: {uuid}] Took {ms} seconds to build instance.",
        "[instance: {uuid}] Creating image",
        "image {uuid} at ({path}): checking",
        "image {uuid} at ({path}): in use: on this node {num} local, 0 on other nodes sharing this instance storage",
        "Active base files: {path}",
        "Removable base files: {path}",
        "Base or swap file too young to remove: {path}",
        "Auditing locally available compute resources for node {host}",
        "Total usable vcpus: {num}, total allocated vcpus: {num}",
        "Final resource view: name={host} phys_ram={num}MB used_ram={num}MB phys_disk={num}GB used_disk={num}GB total_vcpus={num} used_vcpus={num} pci_stats=[]",
        "Compute_service record updated for {host}:{host}",
    ],
    "mail": [
        "connect from {host}[{ip}]",
        "disconnect from {host}[{ip}]",
        "{hex}: client={host}[{ip}]",
        "{hex}: message-id=<{hex}@{host}>",
        "{hex}: from=<{word}@{host}>, size={num}, nrcpt={num} (queue active)",
        "{hex}: to=<{word}@{host}>, relay={host}[{ip}]:25, delay={ms}, delays={ms}/0/0/{ms}, dsn=2.0.0, status=sent (250 ok)",
        "{hex}: to=<{word}@{host}>, relay=none, delay={ms}, delays={ms}/0/0/0, dsn=4.4.1, status=deferred (connect timed out)",
        "{hex}: removed",
        "NOQUEUE: reject: RCPT from {host}[{ip}]: 554 5.7.1 <{word}@{host}>: Relay access denied; from=<{word}@{host}> to=<{word}@{host}> proto=ESMTP helo=<{host}>",
        "warning: hostname {host} does not resolve to address {ip}",
        "imap-login: Login: user=<{word}>, method=PLAIN, rip={ip}, lip={ip}, mpid={num}, TLS",
        "imap-login: Disconnected (auth failed, {num} attempts): user=<{word}>, rip={ip}",
        "imap({word}): Logged out in={num} out={num}",
    ],
    "windows": [
        "Service {service} entered the running state.",
        "Service {service} entered the stopped state.",
        "An account was successfully logged on. Subject: {user} Logon Type: {num} Source Network Address: {ip}",
        "An account failed to log on. Account Name: {user} Failure Reason: Unknown user name or bad password. Source: {ip}",
        "The process {word}.exe was terminated by {user}",
        "Loaded Servicing Stack v{num}.{num} with Core: {path}",
        "SQM: Initializing online with Windows opt-in: False",
        "Ending TrustedInstaller initialization.",
        "Starting TrustedInstaller finalization.",
        "Warning: Unrecognized packageExtended attribute.",
        "Session: {num}_{num} initialized by client {word}.",
        "Read out cached package applicability for package: Package_{num}_for_KB{num}, ApplicableState: {num}, CurrentState:{num}",
        "A new process has been created. Creator {user} Process {path}",
        "Group policy applied for {user} in {num} ms",
    ],
    "proxy": [
        "{host}:443 open through proxy {host}:{port} HTTPS",
        "{host}:443 close, {num} bytes sent, {num} bytes received, lifetime {time}",
        "{host}:443 error : Could not connect through proxy {host}:{port} - Proxy server cannot establish a connection with the target, status code {num}",
        "open connection to {host}",
        "policy {word} matched for user {user}, action deny",
        "policy {word} matched for user {user}, action allow",
        "cache {word} flushed",
        "upstream {host} marked down after {num} failures",
        "upstream {host} marked up",
        "certificate for {host} expires in {num} days",
        "reload requested by {user}",
        "config {path} loaded",
    ],
}


def labelled(name: str, seed: int, lines: int = 2_000) -> tuple[pl.Series, pl.Series]:
    """Texts of a set and the number of each one's template; templates are skewed as in real logs."""
    rng = random.Random(f"{name}{seed}")
    templates = SETS[name]
    weights = [1.0 / (1 + place) for place in range(len(templates))]
    rng.shuffle(weights)
    texts, truth = [], []
    for number in rng.choices(range(len(templates)), weights, k=lines):
        parts = []
        for literal, slot, _, _ in string.Formatter().parse(templates[number]):
            parts.append(literal + (_value(slot, rng) if slot else ""))
        texts.append("".join(parts))
        truth.append(number)
    return pl.Series("text", texts), pl.Series("truth", truth)


def grouping(truth: pl.Series, found: pl.Series) -> tuple[float, float]:
    """Grouping accuracy and the F1 of grouping (Jiang et al. 2024, "A large-scale evaluation for log parsing").

    A text counts if its group has exactly the texts of its template; of templates the same share of both sides.
    """
    frame = pl.DataFrame({"truth": truth, "found": found})
    both = frame.group_by("truth", "found").agg(pl.len().alias("both"))
    sizes = both.join(frame.group_by("truth").agg(pl.len().alias("true_size")), on="truth").join(
        frame.group_by("found").agg(pl.len().alias("found_size")), on="found"
    )
    right = sizes.filter((pl.col("both") == pl.col("true_size")) & (pl.col("both") == pl.col("found_size")))
    precision, recall = right.height / frame["found"].n_unique(), right.height / frame["truth"].n_unique()
    f1 = 2 * precision * recall / (precision + recall) if right.height else 0.0
    return right["both"].sum() / frame.height, f1
