"""``python -m cardfraud_pipelines`` is the command line ``cardfraud``."""

from cardfraud_pipelines.cli import app

if __name__ == "__main__":
    app()
