"""``python -m cardfraud_pipelines.local`` gets the S3 server ready ahead of time and says which."""

import sys

from cardfraud_pipelines.local.versitygw import find_or_build


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    found = find_or_build(_say)
    _say(f"S3 of the local stack: {found.why if found.binary else f'moto ({found.why})'}")
