"""The servers: predictor and transformer as KServe runs them, and what they tell of themselves."""
