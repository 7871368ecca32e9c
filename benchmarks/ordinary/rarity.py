"""The terms of the score, event by event: the product's model as loops over dictionaries."""

import math
from collections import Counter
from typing import Any

from benchmarks.ordinary.keys import FACTORS, PARTS_OF_ACTION, SEPARATOR, Keys
from benchmarks.ordinary.memory import Memory, surprise

__all__ = ["Terms"]


def _bits(value: float, limit: float) -> float:
    return min(max(value, 0.0), limit)


class Terms:
    """The terms of the events of one hour, in order; what the hour has shown so far is in ``seen``."""

    def __init__(self, memory: Memory) -> None:
        self.memory, self.parameters = memory, memory.parameters
        self.seen: Counter[tuple[str, str]] = Counter()

    def _running(self, table: str, key: str) -> int:
        count = self.seen[table, key]
        self.seen[table, key] = count + 1
        return count

    def rule(self, keys: Keys, item: str) -> tuple[bool, int]:
        """Whether history knows a call of the principal that fits the rule, and how often the hour saw one before."""
        key = f"{keys.principal}{SEPARATOR}{item}"
        return self.memory.past("principal/rule", key) > 0.0, self._running("principal/rule", key)

    def of(self, keys: Keys) -> tuple[dict[str, float], dict[str, Any]]:
        """The bits of each term of the next event, and the counts behind them."""
        parameters, memory, principal = self.parameters, self.memory, keys.principal
        own = memory.statistics(principal)
        trials = own["trials"]
        facts: dict[str, Any] = {"events": own["events"], "days": own["days"]}
        bits: dict[str, float] = {}
        firsts, all_new = 0, 0.0
        for factor in FACTORS:
            new = own[f"new {factor}"]
            if factor not in PARTS_OF_ACTION:
                all_new += new
            item = keys.items.get(factor)
            if not item:
                continue
            table, key = f"principal/{factor}", f"{principal}{SEPARATOR}{item}"
            past, running = memory.past(table, key), self._running(table, key)
            if past == 0.0:
                rate = (new + parameters.novelty_prior) / (trials + 2 * parameters.novelty_prior)
                bits[f"new_{factor}"] = _bits(-math.log2(rate), parameters.novelty_max_bits) / (running + 1)
                firsts += running == 0 and factor not in PARTS_OF_ACTION
            if factor == "action":
                facts |= {"action_count": past, "action_so_far": running, "never": past == 0.0}
        for name, amount in (("events", 1), ("errors", int(keys.failed)), ("new", firsts)):
            self.seen["principal", f"{principal}{SEPARATOR}{name}"] += amount
            facts[f"{name}_so_far"] = self.seen["principal", f"{principal}{SEPARATOR}{name}"]
        self._peers(keys, facts, bits)
        self._account(keys, facts, bits)
        self._rare_action(keys, facts, bits, own)
        self._bursts(keys, facts, bits, own)
        self._many_new(facts, bits, all_new, trials)
        self._unusual_hour(keys, facts, bits)
        self._unusual_size(keys, facts, bits)
        if "density" in keys.items:
            self._flow_terms(keys, facts, bits, own)
        return bits, facts

    def _peers(self, keys: Keys, facts: dict[str, Any], bits: dict[str, float]) -> None:
        key = f"{keys.peer}{SEPARATOR}{keys.items['action']}"
        facts["peer_total"] = self.memory.past("peer", keys.peer)
        facts["peer_events"] = max(facts["peer_total"] - facts["events"], 0.0)
        facts["peer_action"] = self.memory.past("peer/action", key)
        running = self._running("peer/action", key)
        if facts["peer_action"] == 0.0:
            said = _bits(math.log2(facts["peer_events"] + 1.0), self.parameters.peers_max_bits)
            bits["peers_never"] = said / (running + 1)

    def _account(self, keys: Keys, facts: dict[str, Any], bits: dict[str, float]) -> None:
        facts["account_events"] = self.memory.past("account", keys.account)
        for factor, term in (("wide_network", "account_new_network"), ("agent", "account_new_agent")):
            if not (item := keys.items.get(factor)):
                continue
            table, key = f"account/{factor}", f"{keys.account}{SEPARATOR}{item}"
            running = self._running(table, key)
            if self.memory.past(table, key) == 0.0 and facts["account_events"] >= self.parameters.warm_events:
                bits[term] = self.parameters.account_new_bits / (running + 1)

    def _rare_action(self, keys: Keys, facts: dict[str, Any], bits: dict[str, float], own: dict[str, float]) -> None:
        parameters = self.parameters
        said = surprise(
            parameters,
            own=facts["action_count"] + facts["action_so_far"],
            own_total=facts["events"] + (facts["events_so_far"] - 1),
            peer=facts["peer_action"],
            peer_total=facts["peer_total"],
            everyone=self.memory.past("global/action", keys.items["action"]),
            everyone_total=self.memory.past("global", "all"),
        )
        weight = parameters.usual_surprise_weight
        usual = (own["surprise"] + parameters.usual_surprise_bits * weight) / (own["trials"] + weight)
        bits["rare_action"] = _bits(said - usual, parameters.rare_max_bits)

    def _bursts(self, keys: Keys, facts: dict[str, Any], bits: dict[str, float], own: dict[str, float]) -> None:
        parameters = self.parameters
        prior, hours = parameters.burst_prior_hours, own["active_hours"]
        for term, name, expected in (
            ("burst", "events", parameters.burst_prior_events),
            ("error_burst", "errors", parameters.burst_prior_errors),
        ):
            usual = (own[f"log_{name}"] + math.log2(1 + expected) * prior) / (hours + prior)
            facts[f"usual_{name}"] = 2.0**usual - 1.0
            excess = math.log2(facts[f"{name}_so_far"] + 1) - usual - parameters.burst_margin_bits
            bits[term] = _bits(excess, parameters.burst_max_bits)
        if not keys.failed:
            bits["error_burst"] = 0.0

    def _many_new(self, facts: dict[str, Any], bits: dict[str, float], new: float, trials: float) -> None:
        prior = self.parameters.novelty_prior
        expected = facts["events_so_far"] * ((new + prior) / (trials + 2 * prior))
        excess = math.log2(facts["new_so_far"] + 1.0) - math.log2(expected + 1.0)
        bits["many_new"] = _bits(excess, self.parameters.many_new_max_bits)

    def _unusual_hour(self, keys: Keys, facts: dict[str, Any], bits: dict[str, float]) -> None:
        prior = self.parameters.hour_prior
        past = self.memory.past("principal/hour", f"{keys.principal}{SEPARATOR}{keys.items['hour']}")
        facts["hour_count"] = past
        share = (past + prior / 24.0) / (facts["events"] + prior)
        bits["unusual_hour"] = _bits(-math.log2(share * 24.0), 24.0)

    def _unusual_size(self, keys: Keys, facts: dict[str, Any], bits: dict[str, float]) -> None:
        facts["size_share"], label = 1.0, keys.items.get("size")
        if not label:
            return
        direction, step = f"{keys.principal}{SEPARATOR}{label[:-2]}", max(int(label[-2:]) - 1, 0)
        flows = self.memory.past("principal/size", f"{direction}00")
        share = (self.memory.past("principal/size", f"{direction}{step:02d}") + 0.5) / (flows + 1.0)
        facts["size_share"] = share
        said = _bits(-math.log2(share) - self.parameters.size_free_bits, self.parameters.size_max_bits)
        bits["unusual_size"] = said / (self._running("principal/size", f"{keys.principal}{SEPARATOR}{label}") + 1)

    def _flow_terms(self, keys: Keys, facts: dict[str, Any], bits: dict[str, float], own: dict[str, float]) -> None:
        """Rejects among the interface's flows, addresses that it turns to, bytes per packet."""
        parameters = self.parameters
        weight = parameters.error_ratio_weight
        rate = min((own["errors"] + parameters.error_ratio_prior * weight) / (own["events"] + weight), 1.0)
        facts["error_rate"] = rate * 100.0
        errors, expected = facts["errors_so_far"], facts["events_so_far"] * rate
        if keys.failed and errors > expected:
            beyond = errors * math.log2(errors / expected) - (errors - expected) / math.log(2.0)
            bits["error_ratio"] = _bits(beyond, parameters.error_ratio_max_bits)
        hours = parameters.burst_prior_hours
        usual = (own["log_spread"] + math.log2(1 + parameters.fan_out_prior) * hours) / (own["active_hours"] + hours)
        facts |= {"fan_out_usual": 2.0**usual - 1.0, "fan_out_count": 0}
        if keys.remote and not self._running("remote", f"{keys.principal}{SEPARATOR}{keys.remote}"):
            count = self._running("remotes", keys.principal) + 1
            facts["fan_out_count"] = count
            beyond = math.log2(count + 1) - usual - parameters.burst_margin_bits
            bits["fan_out"] = _bits(beyond, parameters.fan_out_max_bits)
        self._unusual_density(keys, facts, bits)

    def _unusual_density(self, keys: Keys, facts: dict[str, Any], bits: dict[str, float]) -> None:
        facts["density_share"], label = 1.0, keys.items["density"]
        if not label:
            return
        direction, step = f"{keys.principal}{SEPARATOR}{label[:-2]}", int(label[-2:])
        near = sum(self.memory.past("principal/density", f"{direction}{step + by:02d}") for by in (-1, 0, 1))
        share = (near + 0.5) / (self.memory.past("principal/density", f"{direction}**") + 1.0)
        facts["density_share"] = share
        said = _bits(-math.log2(share) - self.parameters.size_free_bits, self.parameters.size_max_bits)
        bits["unusual_density"] = said / (self._running("principal/density", f"{keys.principal}{SEPARATOR}{label}") + 1)
