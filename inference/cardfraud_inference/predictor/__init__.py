"""The predictor: features in, probability of fraud out."""
