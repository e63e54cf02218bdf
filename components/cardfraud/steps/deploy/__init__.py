"""Write the desired state of serving."""
