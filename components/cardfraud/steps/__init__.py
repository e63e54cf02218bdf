"""The steps of the pipelines: verbs, each a plain function over an object store."""
