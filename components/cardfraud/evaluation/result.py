"""The base of every result of an evaluation."""

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """A frozen record that serialises to JSON and holds finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
