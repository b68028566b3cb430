"""Models for other programs: ONNX, and a scorer that needs NumPy alone."""
