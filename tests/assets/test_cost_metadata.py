"""What delivered_batches says of an hour's cost; a price list that cannot be read fails nothing."""

from s3sentinel_assets.assets.delivered import _cost_metadata
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.sentinel.cost import Cost, CostLine, load_prices
from tests.stages import FakeStages, hour


def metadata(stages):
    return {name: value.value for name, value in _cost_metadata(stages, "cloudtrail", hour(0)).items()}


def test_cost_saving_and_what_they_rest_on():
    stages = FakeStages()
    assert metadata(stages) == {}  # nothing was accepted
    lines = [
        CostLine("cloudtrail", "T", "Analytics", "rows", rows=9, raw_bytes=5, cost=1.5),
        CostLine("cloudtrail", "T_Basic_CL", "Basic", "rows", rows=9, raw_bytes=5, cost=0.25, saving=2.0),
        CostLine("cloudtrail", "", "", "filtered", "health", rows=9, raw_bytes=None, saving=None),
    ]
    stages.costs["cloudtrail", hour(0)] = Cost(load_prices(), lines)
    told = metadata(stages)
    assert (told["cost_USD"], told["saved_by_routing_USD"]) == (1.75, 2.0)
    assert "estimate" in told["cost_basis"] and "East US" in told["cost_basis"]


def test_a_bad_price_list_is_told_and_fails_nothing():
    stages = FakeStages()
    stages.errors["cost", hour(0)] = [ConfigurationError("sentinel.prices_file: x is no price list")]
    assert metadata(stages) == {"cost": "not reckoned: sentinel.prices_file: x is no price list"}
