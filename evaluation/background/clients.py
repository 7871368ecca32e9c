"""Addresses and user agents of the sample company, and how clients come out in new versions.

Belongs here: texts that look like the real ones. Does not belong here: who uses which when.

Addresses of offices, homes and travellers are made up within ranges of ordinary access providers; they lead nowhere
because nothing here ever connects to them.
"""

from collections.abc import Sequence

import numpy as np

__all__ = ["addresses", "browser", "cli", "runtime", "terraform"]

_SYSTEMS = (
    ("Macintosh; Intel Mac OS X 10_15_7", "macos#24.6.0", "arm64", "darwin"),
    ("Windows NT 10.0; Win64; x64", "windows#11", "amd64", "windows"),
    ("X11; Linux x86_64", "linux#6.14.0-33-generic", "x86_64", "linux"),
)
_COMMANDS = ("ec2.describe-instances", "s3.ls", "sts.get-caller-identity", "logs.tail", "ssm.start-session")


def addresses(rng: np.random.Generator, count: int, prefix: Sequence[int] | None = None, spread: int = 16) -> list[str]:
    """Distinct-looking IPv4 addresses.

    Args:
        rng: decides them.
        count: how many.
        prefix: their first two numbers; None: anything.
        spread: bits that differ among them: 8 keeps them in one /24.
    """
    first = list(prefix) if prefix else [int(rng.integers(11, 198)), int(rng.integers(0, 256))]
    third = int(rng.integers(0, 256))
    made = []
    for value in rng.integers(0, 1 << spread, count).tolist():
        upper = third if spread <= 8 else (third & ~((1 << (spread - 8)) - 1)) | (value >> 8)
        made.append(f"{first[0]}.{first[1]}.{upper & 255}.{max(1, value & 255)}")
    return made


def browser(system: int, family: int, version: int) -> str:
    """A web browser's user agent; family 0 Chrome, 1 Firefox, 2 Edge, 3 Safari."""
    platform = _SYSTEMS[system][0]
    engine = "AppleWebKit/537.36 (KHTML, like Gecko)"
    if family == 1:
        return f"Mozilla/5.0 ({platform}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
    if family == 3 and system == 0:
        webkit = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
        return f"Mozilla/5.0 ({platform}) {webkit} Version/{version - 122}.0 Safari/605.1.15"
    edge = f" Edg/{version}.0.0.0" if family == 2 else ""
    return f"Mozilla/5.0 ({platform}) {engine} Chrome/{version}.0.0.0 Safari/537.36{edge}"


def cli(system: int, minor: int, patch: int, command: int = 0) -> str:
    """The command line's user agent."""
    _, kernel, machine, _ = _SYSTEMS[system]
    return (
        f"aws-cli/2.{minor}.{patch} md/awscrt#0.27.{minor % 7} ua/2.1 os/{kernel} md/arch#{machine} "
        f"lang/python#3.13.{minor % 9} md/pyimpl#CPython m/E,b,Z cfg/retry-mode#standard md/installer#exe "
        f"md/prompt#off md/command#{_COMMANDS[command % 5]}"
    )


def terraform(minor: int, provider: int) -> str:
    """Terraform's user agent."""
    return (
        f"APN/1.0 HashiCorp/1.0 Terraform/1.{minor}.4 (+https://www.terraform.io) "
        f"terraform-provider-aws/6.{provider}.0 (+https://registry.terraform.io/providers/hashicorp/aws) "
        f"aws-sdk-go-v2/1.39.{provider} ua/2.1 os/linux lang/go#1.24.5 md/GOOS#linux md/GOARCH#amd64"
    )


def runtime(language: int, version: int, place: int) -> str:
    """An SDK's user agent: language 0 Java, 1 Python, 2 Go, 3 JavaScript, 4 .NET, 5 Rust; version counts releases."""
    environment = ("exec-env/AWS_ECS_FARGATE", "exec-env/AWS_Lambda_python3.13", "exec-env/EC2", "exec-env/AWS_EKS")[
        place % 4
    ]
    kernel = "os/Linux#6.1.150-174.273.amzn2023.x86_64"
    if language == 0:
        sdk = f"aws-sdk-java/2.{30 + version // 10}.{version % 10} md/io#async md/http#NettyNio"
        return f"{sdk} ua/2.1 {kernel} lang/java#21.0.8 {environment}"
    if language == 1:
        sdk = f"Boto3/1.40.{version} md/Botocore#1.40.{version} ua/2.1 {kernel} md/arch#x86_64"
        return f"{sdk} lang/python#3.13.7 {environment} Botocore/1.40.{version}"
    if language == 2:
        sdk = f"aws-sdk-go-v2/1.{30 + version}.0 ua/2.1 {kernel}"
        return f"{sdk} lang/go#1.24.6 md/GOOS#linux md/GOARCH#amd64 {environment}"
    if language == 3:
        return f"aws-sdk-js/3.{800 + version * 3}.0 ua/2.1 {kernel} lang/js md/nodejs#22.18.0 {environment}"
    if language == 4:
        return f"aws-sdk-dotnet-coreclr/4.0.{version}.1 ua/2.1 os/linux#6.1 .NET#9.0.8 {environment}"
    return f"aws-sdk-rust/1.3.{version} ua/2.1 os/linux lang/rust#1.89.0 {environment}"
