"""``python -m cardfraud_pipelines.local`` gets the S3 servers ready ahead of time and says which.

The stack needs versitygw; the tests of the registry run on MinIO, too, where it could be built.
"""

import sys

from cardfraud_pipelines.local.go_programs import MINIO, VERSITYGW


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    found = VERSITYGW.find_or_build(_say)
    _say(f"S3 of the local stack: {found.why if found.binary else f'moto ({found.why})'}")
    further = MINIO.find_or_build(_say)
    _say(f"S3 of further tests: {further.why}")
