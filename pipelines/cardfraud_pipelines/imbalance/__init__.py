"""What treatments of rare fraud do to each estimator, on the same rows: compared, not assumed."""
