"""Files of small bundles."""

from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.contracts.digests import canonical_json
from cardfraud.features.definitions import FEATURES, feature_set_digest


def signature() -> Signature:
    """Return the signature of a model on the current feature set."""
    return Signature(
        feature_set_digest=feature_set_digest(),
        inputs=tuple(InputColumn(name=f.name, default=f.default) for f in FEATURES),
    )


def bundle_files(model: bytes = b"graph") -> dict[str, bytes]:
    """Return every required file; ``model`` stands for the graph and is never run here."""
    return {
        "model.onnx": model,
        "signature.json": canonical_json(signature().model_dump(mode="json")),
        "metrics.json": b"{}",
        "lineage.json": b"{}",
        "card.md": b"# fraud\n",
    }
