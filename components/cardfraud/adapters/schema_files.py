"""The published JSON Schemas as files of the repository."""

from __future__ import annotations

from pathlib import Path

from cardfraud.contracts.json_schema import schema_documents


def write_schemas(root: Path) -> list[Path]:
    """Write every published schema below the repository's root; return the files that changed."""
    changed: list[Path] = []
    for name, content in schema_documents().items():
        path = root / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            changed.append(path)
    return changed
