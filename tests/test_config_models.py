"""The ``models`` section: what it refuses."""

import pytest
from pydantic import ValidationError

from s3sentinel_assets.config import ModelSettings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tracking_uri": "mlflow.example.com"}, "must start with https://"),
        ({"tracking_uri": "https://ann:secret@mlflow.example.com"}, "must not hold a name or password"),
        ({"tracking_uri": "https://ann:sec/ret@mlflow.example.com"}, "must not hold a name or password"),
        ({"train_days": 3, "evaluate_days": 3, "min_training_days": 1}, "must be fewer than train_days"),
        ({"train_days": 7, "evaluate_days": 3}, "no model could ever be promoted"),
        ({"promotion": "yes"}, "automatic"),
    ],
)
def test_wrong_values_are_refused(values, words):
    with pytest.raises(ValidationError, match=words):
        ModelSettings(**values)


def test_promotion_is_manual_unless_somebody_says_otherwise():
    assert ModelSettings().promotion == "manual"
    assert ModelSettings(tracking_uri="https://mlflow.example.com/").tracking_uri == "https://mlflow.example.com"
