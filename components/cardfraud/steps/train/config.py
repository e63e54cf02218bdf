"""What a training run is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from cardfraud.contracts.candidate import Period, Split
from cardfraud.contracts.labels import LABEL_DELAY


class TrainConfig(BaseModel):
    """One estimator, three periods in the order of time, and the moment of the training."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = "fraud"
    algorithm: Literal[
        "logistic_regression", "random_forest", "gradient_boosting", "neural_network"
    ]
    parameters: dict[str, Any] = {}
    """Parameters that differ from the estimator's defaults."""
    class_weight: Literal["balanced"] | float | None = None
    """Weight of a fraud; None takes the estimator's default."""
    calibrate: bool = True
    """Whether to fit a Platt curve on the validation rows."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    train: Period
    validation: Period
    test: Period
    split: Split = "time"
    """``leaky_stratified`` draws rows of all three periods at random, for comparison only."""
    maturity: timedelta = LABEL_DELAY
    """Time after an event at which its label is settled."""
    labels_as_of: AwareDatetime | None = None
    """The moment of the training: labels reported later are not seen. None takes the midnight at
    which the test period begins."""
    test_labels_as_of: AwareDatetime | None = None
    """The moment of the judgement over the test rows. None takes the first at which all of them
    are settled."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        steps = (
            ("train", self.train, "validation", self.validation),
            ("validation", self.validation, "test", self.test),
        )
        for name, period, later_name, later in steps:
            if period.ends + self.maturity > later.begins:
                msg = (
                    f"the labels of {name} (until {period.end}) are settled {self.maturity.days} "
                    f"days later, but {later_name} begins on {later.start}"
                )
                raise ValueError(msg)
        if self.trained_at > self.test.begins:
            msg = (
                "labels_as_of lies after the beginning of the test period: it would see the future"
            )
            raise ValueError(msg)
        if self.trained_at < self.validation.ends + self.maturity:
            msg = "labels_as_of lies before the labels of the validation period are settled"
            raise ValueError(msg)
        if self.judged_at < self.test.ends + self.maturity:
            msg = "test_labels_as_of lies before the labels of the test period are settled"
            raise ValueError(msg)
        return self

    @property
    def trained_at(self) -> datetime:
        """The moment of the training."""
        return self.labels_as_of or self.test.begins

    @property
    def judged_at(self) -> datetime:
        """The moment of the judgement over the test rows."""
        return self.test_labels_as_of or self.test.ends + self.maturity
