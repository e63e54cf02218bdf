from pathlib import Path

import pytest

from cardfraud.adapters.sources import load_mapping
from cardfraud.errors import InvalidSetting

GOOD = """
columns: {transaction_id: id, event_time: at, user_id: card, merchant_id: shop, amount: value}
"""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("columns: {transaction_id: id}", "columns.event_time"),
        (f"{GOOD}zone: Mars/Olympus", "zone"),
        (f"{GOOD}amount_unit: cents", "amount_unit"),
        (f"{GOOD}currency: JPY", "currency"),
        (f"{GOOD}separator: ';'", "separator"),
        (GOOD.replace("shop", "card"), "columns"),
        ("- a list", "mapping"),
        ("", "mapping"),
        ("columns: [", "cannot be read"),
    ],
)
def test_a_wrong_mapping_names_the_setting(tmp_path: Path, text: str, named: str) -> None:
    """A mapping file that can't be meant is refused with its name and the setting."""
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(InvalidSetting, match=r"mapping\.yaml") as caught:
        load_mapping(path)
    assert named in caught.value.message


def test_an_absent_mapping_is_named(tmp_path: Path) -> None:
    """A mapping file that isn't there is named."""
    with pytest.raises(InvalidSetting, match=r"nothing\.yaml: cannot be read"):
        load_mapping(tmp_path / "nothing.yaml")
