"""Estimators, their calibration, their export to ONNX and the proof that both agree."""
