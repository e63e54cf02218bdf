from typing import Any

import pytest
from pydantic import ValidationError

from cardfraud.contracts.tracks import Alias, Track, Tracks

ONE, TWO = (f"sha256-{digit * 64}" for digit in "12")


def tracks(**weights: int) -> dict[str, Any]:
    """Return a document with these tracks."""
    return {
        "model": "fraud",
        "tracks": {
            name: {"bundle": ONE, "policy": TWO, "weight": w} for name, w in weights.items()
        },
    }


def test_a_stored_state_is_the_same_state() -> None:
    """The desired state survives being stored as JSON."""
    state = Tracks.model_validate(tracks(stable=95, canary=5, shadow=0))
    assert Tracks.model_validate_json(state.model_dump_json()) == state


@pytest.mark.parametrize("weights", [{"stable": 99}, {"stable": 100, "canary": 1}, {}])
def test_weights_add_up_to_100(weights: dict[str, int]) -> None:
    """A state whose weights don't add up is refused with the sum it has."""
    with pytest.raises(ValidationError, match=f"they add up to {sum(weights.values())}"):
        Tracks.model_validate(tracks(**weights))


def test_a_shadow_answers_nobody() -> None:
    """A shadow with a weight is refused."""
    with pytest.raises(ValidationError, match="shadow answers nobody"):
        Tracks.model_validate(tracks(stable=90, shadow=10))


def test_an_unknown_track_is_refused() -> None:
    """Only stable, canary and shadow are tracks."""
    with pytest.raises(ValidationError):
        Tracks.model_validate(tracks(stable=50, blue=50))


@pytest.mark.parametrize("digest", ["latest", "sha256-12", f"sha256-{'A' * 64}", f"{ONE}\n"])
def test_only_a_digest_names_a_bundle(digest: str) -> None:
    """A track or an alias can't name a bundle by anything but its whole digest."""
    with pytest.raises(ValidationError):
        Track(bundle=digest, policy=TWO, weight=100)
    with pytest.raises(ValidationError):
        Alias(name="champion", digest=digest)


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_weight_is_a_percentage(weight: int) -> None:
    """A weight or a mirror share lies in 0 to 100."""
    with pytest.raises(ValidationError):
        Track(bundle=ONE, policy=TWO, weight=weight)
    with pytest.raises(ValidationError):
        Track(bundle=ONE, policy=TWO, weight=0, mirror=weight)
