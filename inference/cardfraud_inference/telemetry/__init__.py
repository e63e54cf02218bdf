"""What the servers tell about themselves: metrics, logs and the prediction log."""
