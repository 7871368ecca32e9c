"""Limits and names of the service."""

import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.infra.azure import limits


@pytest.mark.parametrize("name", ["1st", "_x", "a", "é_x", "x-y", "x" * 46, "", "Title", "tenantid", "ID", "_ItemId"])
def test_a_column_that_cannot_be(name: str) -> None:
    with pytest.raises(ConfigurationError, match="table T_CL"):
        limits.check_columns("T_CL", [name], [name])


def test_columns_that_can_be() -> None:
    names = ["TimeGenerated", "ab", "x" * 45, *(f"c{number}" for number in range(497))]
    limits.check_columns("T_CL", names, names)
    with pytest.raises(ConfigurationError, match="501 columns"):
        limits.check_columns("T_CL", names, [*names, "more"])


def test_the_service_may_call_its_own_columns_as_it_likes() -> None:
    limits.check_columns("AWSGuardDuty", ["Priority_CF"], ["Id", "Title", "Priority_CF"])


def test_columns_that_differ_in_capitals_alone() -> None:
    with pytest.raises(ConfigurationError, match="there twice"):
        limits.check_columns("T_CL", ["Bytes", "bytes"], ["Bytes", "bytes"])


@pytest.mark.parametrize("name", ["x_C", "a" * 64, "", "a_CLé", "A b_CL"][1:])
def test_a_table_that_cannot_be(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no table can be called"):
        limits.check_table_name(name)


def test_a_transformation_that_is_too_long() -> None:
    limits.check_transform("Custom-X", "x" * 15_360)
    with pytest.raises(ConfigurationError, match="15,361"):
        limits.check_transform("Custom-X", "x" * 15_361)


@pytest.mark.parametrize("numbers", [((4 << 20) + 1, 1, 1), (1, 801, 1), (1, 1, 65)])
def test_a_template_that_is_too_large(numbers: tuple[int, int, int]) -> None:
    limits.check_template(4 << 20, 800, 64)
    with pytest.raises(ConfigurationError, match="smaller --spread"):
        limits.check_template(*numbers)
