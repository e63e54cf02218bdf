"""The baseline, a process of its own: ``python -m ... FOREST PORT``.

A web server as most tutorials write it: the feature values come in the body, a request becomes a
pandas frame of one row, and scikit-learn is asked twice. The route is a coroutine, which is the
cheaper of the two ways to write it here: a plain function would be handed to a thread.
"""

import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, create_model


def application(path: Path) -> FastAPI:
    """Build the server around the forest in a file that the benchmark has written."""
    forest = joblib.load(path)
    fields: dict[str, Any] = dict.fromkeys(forest.feature_names_in_, (float, ...))
    features: type[BaseModel] = create_model("Features", **fields)
    app = FastAPI()

    @app.post("/predict")
    async def predict(body: features) -> dict[str, float]:
        frame = pd.DataFrame([body.model_dump()])
        prediction = forest.predict(frame)[0]
        probability = forest.predict_proba(frame)[0][1]
        return {"prediction": int(prediction), "probability": float(probability)}

    return app


def server(path: Path, port: int) -> uvicorn.Server:
    """Return the server around :func:`application`; it writes no line for each request."""
    config = uvicorn.Config(application(path), host="127.0.0.1", port=port, access_log=False)
    return uvicorn.Server(config)


if __name__ == "__main__":
    server(Path(sys.argv[1]), int(sys.argv[2])).run()
