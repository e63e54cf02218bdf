"""Files that are made from the code: the schemas, the OpenAPI document and the page of features.

They are committed, so that a reader and a reviewer see them; ``cardfraud generate`` writes them,
and ``make verify`` fails where one holds something else.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cardfraud.contracts.features import Feature, FeatureView
from cardfraud.contracts.json_schema import schema_documents
from cardfraud.contracts.openapi import openapi_documents
from cardfraud.features.definitions import FEATURE_VIEWS, STATE_VIEWS, feature_set_digest


def generated() -> dict[str, bytes]:
    """Content of every generated file by its path below the repository's root."""
    page = {"components/FEATURES.md": features_page().encode()}
    return page | schema_documents() | openapi_documents()


def drifted(root: Path) -> list[str]:
    """Paths of the generated files that are absent below ``root`` or hold something else."""
    return [
        name
        for name, content in generated().items()
        if not (root / name).is_file() or (root / name).read_bytes() != content
    ]


def write_generated(root: Path) -> list[str]:
    """Write the generated files that drifted; return their paths."""
    names = drifted(root)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(generated()[name])
    return names


def features_page() -> str:
    """The page that documents every feature, as Markdown."""
    parts = [
        "# Features",
        "",
        "Generated from `cardfraud.features.definitions` by `cardfraud generate`; do not edit.",
        "",
        f"Digest of the feature set: `{feature_set_digest()}`. A model bundle carries it, and a",
        "server refuses to start on a store or a bundle that has another.",
        "",
        "A window ends just before the transaction, or, where the view is refreshed by the hour,",
        "at the beginning of the transaction's hour less the label delay; its oldest edge is",
        "rounded down to the view's resolution. A value that does not exist takes the default.",
        "",
    ]
    for view in FEATURE_VIEWS:
        parts += _view(view)
    parts += ["## Online state", ""]
    parts += ["| state view | entity | written by | time to live | what it holds |"]
    parts += ["|---|---|---|---|---|"]
    parts += [
        f"| `{state.name}` | {state.entity} | {state.writer} | {_duration(state.ttl)} | "
        f"{state.description} |"
        for state in STATE_VIEWS
    ]
    return "\n".join(parts) + "\n"


def _view(view: FeatureView) -> list[str]:
    facts = [f"entity {view.entity}", f"owner {view.owner}"]
    if view.resolution:
        facts.append(f"resolution {_duration(view.resolution)}")
    if view.refresh:
        facts.append(f"refreshed every {_duration(view.refresh)}")
    if view.label_delay:
        facts.append(f"label delay {_duration(view.label_delay)}")
    return [
        f"## `{view.name}`",
        "",
        f"{view.description} ({', '.join(facts)})",
        "",
        "| feature | aggregation | window | unit | default | meaning |",
        "|---|---|---|---|---|---|",
        *(_row(feature) for feature in view.features),
        "",
    ]


def _row(feature: Feature) -> str:
    return (
        f"| `{feature.name}` | {feature.aggregation} | {_duration(feature.window)} | "
        f"{feature.unit} | {feature.default:g} | {feature.description} |"
    )


def _duration(length: timedelta | None) -> str:
    if length is None:
        return "none"
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
