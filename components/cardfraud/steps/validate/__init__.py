"""Validate: raw rows become validated ones or go to the quarantine, each with its reasons."""

from cardfraud.steps.validate.config import Limits, ValidateConfig
from cardfraud.steps.validate.result import ValidationResult
from cardfraud.steps.validate.step import run

__all__ = ["Limits", "ValidateConfig", "ValidationResult", "run"]
