"""The Bicep text says what the ARM template says."""

import json
import re
from typing import Any

import pytest

from s3sentinel_assets.infra.azure import Options, plan_infrastructure
from s3sentinel_assets.infra.azure.arm import arm_text
from s3sentinel_assets.infra.azure.bicep import bicep_text
from s3sentinel_assets.infra.azure.expressions import Output, Template
from s3sentinel_assets.infra.azure.resources import build_template
from tests.infra.azure.configurations import QUIET, configured, source

_ITEM = re.compile(
    r"\s*(?:#disable-next-line[^\n]*\n\s*)?"
    r"(?:'''\n(?P<long>.*?)'''|'(?P<text>(?:\\.|[^'\\])*)'|(?P<sign>[{}\[\]:])|(?P<other>[^\s{}\[\]:'()]+(?:\([^\n]*\))?"
    r"(?:\.[\w.]+)?))",
    re.DOTALL,
)
_BACK = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\'": "'", "\\\\": "\\", "\\${": "${"}


class Reader:
    """Reads values: objects, lists, texts; an expression is given as ``…``, since the ARM side has another syntax."""

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at

    def next(self) -> re.Match[str]:
        match = _ITEM.match(self.text, self.at)
        assert match, self.text[self.at : self.at + 80]
        self.at = match.end()
        return match

    def value(self, item: re.Match[str] | None = None) -> Any:
        item = item or self.next()
        if item["sign"] == "{":
            made = {}
            while (key := self.next())["sign"] != "}":
                assert self.next()["sign"] == ":"
                made[key["other"] or _plain(key["text"])] = self.value()
            return made
        if item["sign"] == "[":
            listed = []
            while (one := self.next())["sign"] != "]":
                listed.append(self.value(one))
            return listed
        if item["long"] is not None:
            return item["long"]
        if item["text"] is not None:
            return "…" if re.search(r"(?<!\\)\$\{", item["text"]) else _plain(item["text"])
        word = item["other"]
        if word in ("true", "false"):
            return word == "true"
        return int(word) if re.fullmatch(r"-?\d+", word) else "…"


def _plain(text: str) -> str:
    return re.sub(r"\\\$\{|\\.", lambda match: _BACK[match[0]], text)


def resources_of(text: str) -> list[tuple[str, str, Any]]:
    found = []
    for match in re.finditer(r"^resource \w+ '([^@']+)@([^']+)' (existing )?=(?: if \(.*?\))? (?=\{)", text, re.M):
        if not match[3]:
            found.append((match[1], match[2], Reader(text, match.end()).value()))
    return found


def veiled(value: Any) -> Any:
    """An ARM value with ``…`` for expressions."""
    match value:
        case dict():
            return {key: veiled(each) for key, each in value.items()}
        case list():
            return [veiled(each) for each in value]
        case str() if value.startswith("[[") and value.endswith("]"):
            return value[1:]
        case str() if value.startswith("[") and value.endswith("]"):
            return "…"
        case _:
            return value


@pytest.mark.parametrize("options", [Options(), Options(spread=2, split=True)], ids=["plain", "spread and split"])
def test_the_same_resources(options: Options) -> None:
    config = configured(all=source("auto", routing={"rules": [QUIET]}))
    template = build_template(config, plan_infrastructure(config, options))
    arm, bicep = json.loads(arm_text(template, "a test")), bicep_text(template, "a test")
    written = resources_of(bicep)
    assert len(written) == len(arm["resources"]) > 50
    for (kind, version, body), expected in zip(written, arm["resources"], strict=True):
        assert (kind, version) == (expected["type"], expected["apiVersion"])
        known = {"type", "apiVersion", "dependsOn", "scope", "condition", "name"}
        own = {key: value for key, value in body.items() if key not in {"parent", "dependsOn", "scope", "name"}}
        assert own == veiled({key: value for key, value in expected.items() if key not in known})
        assert ("scope" in body) == ("scope" in expected)
        assert (
            body["name"] == "…" or body["name"] == expected["name"] or expected["name"].endswith(f"'{body['name']}')]")
        )
    for name, told in arm["outputs"].items():
        (match,) = re.finditer(rf"^output {name} (\w+) = ", bicep, re.M)
        assert match[1] == told["type"]
        assert Reader(bicep, match.end()).value() == veiled(told["value"])
    assert sorted(re.findall(r"^param (\w+) ", bicep, re.M)) == sorted(arm["parameters"])


def test_symbols_are_declared_once_and_all_that_are_used() -> None:
    config = configured(all=source("auto", routing={"rules": [QUIET]}))
    text = bicep_text(build_template(config, plan_infrastructure(config, Options(spread=2))), "a test")
    declared = re.findall(r"^resource (\w+) ", text, re.M)
    assert len(declared) == len(set(declared))
    used = set(re.findall(r"\b((?:table|rule|function|errors|publisher)_\w+)\b(?=\.|\n|,|\))", text))
    assert used <= set(declared)
    for block in re.findall(r"dependsOn: \[\n(.*?)\]", text, re.S):
        assert set(block.split()) <= set(declared)


@pytest.mark.parametrize("odd", ["it's", "a\\n", "${x}", "$${", "a\nb'''c", "tab\t", "a\nb", "\\${", "a\r\nb"])
def test_texts_keep_their_characters(odd: str) -> None:
    text = bicep_text(Template((), (), (Output("odd", "array", [odd]),)), "a test")
    assert Reader(text, text.index("[")).value() == [odd]
