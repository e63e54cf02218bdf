"""Where the parts of a local stack answer, and with which credentials."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Addresses and credentials of one local stack; secrets stay out of its ``repr``.

    Attributes:
        s3_url: for example ``http://127.0.0.1:20001``.
        s3_access_key: access key of the root account.
        s3_secret_key: its secret.
        s3_region: a name that signatures need.
        s3_server: ``versitygw``, ``minio`` or ``moto``.
        bucket: exists when the stack is up.
        redis_host: the loopback address.
        redis_port: its port.
        redis_password: of the default user.
        mlflow_url: None when the stack runs without MLflow.
    """

    s3_url: str
    s3_access_key: str
    s3_secret_key: str = field(repr=False)
    s3_region: str = "us-east-1"
    s3_server: str
    bucket: str
    redis_host: str
    redis_port: int
    redis_password: str = field(repr=False)
    mlflow_url: str | None = None

    def s3_environment(self) -> dict[str, str]:
        """Return the variables from which boto3, pyarrow's and MLflow's clients find the bucket."""
        return {
            "AWS_ACCESS_KEY_ID": self.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": self.s3_secret_key,
            "AWS_DEFAULT_REGION": self.s3_region,
            "AWS_REGION": self.s3_region,
            "AWS_ENDPOINT_URL": self.s3_url,
            "AWS_ENDPOINT_URL_S3": self.s3_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MLFLOW_S3_ENDPOINT_URL": self.s3_url,
        }

    def settings_environment(self, *, feast_project: str = "cardfraud") -> dict[str, str]:
        """Return the variables from which cardfraud's own settings find this stack.

        Args:
            feast_project: project of the feature store.
        """
        variables = {
            "CARDFRAUD_S3_BUCKET": self.bucket,
            "CARDFRAUD_S3_ENDPOINT_URL": self.s3_url,
            "CARDFRAUD_S3_REGION": self.s3_region,
            "CARDFRAUD_S3_ACCESS_KEY_ID": self.s3_access_key,
            "CARDFRAUD_S3_SECRET_ACCESS_KEY": self.s3_secret_key,
            "CARDFRAUD_FEAST_PROJECT": feast_project,
            "CARDFRAUD_FEAST_REDIS_HOST": self.redis_host,
            "CARDFRAUD_FEAST_REDIS_PORT": str(self.redis_port),
            "CARDFRAUD_FEAST_REDIS_PASSWORD": self.redis_password,
        }
        if self.mlflow_url is not None:
            variables["CARDFRAUD_MLFLOW_TRACKING_URI"] = self.mlflow_url
        return variables

    def s3_client(self, *, retries: int = 3) -> Any:
        """Return a boto3 client of this stack's object store.

        Args:
            retries: attempts after the first one.
        """
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.s3_url,
            aws_access_key_id=self.s3_access_key,
            aws_secret_access_key=self.s3_secret_key,
            region_name=self.s3_region,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": retries + 1},
                connect_timeout=2,
                read_timeout=30,
                proxies={},
            ),
        )

    def redis_client(self, *, retries: int = 3, timeout: float = 5.0) -> Any:
        """Return a redis-py client of this stack's online store.

        Args:
            retries: attempts after the first one.
            timeout: seconds for one attempt.
        """
        import redis
        from redis.backoff import ConstantBackoff
        from redis.retry import Retry

        return redis.Redis(
            host=self.redis_host,
            port=self.redis_port,
            password=self.redis_password,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(ConstantBackoff(0.1), retries),
        )
