"""Object stores on the session's S3 server."""

from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud_pipelines.local import Endpoints


def object_store(endpoints: Endpoints) -> ObjectStore:
    """Return a store on the bucket of ``endpoints``, with a client of its own."""
    return ObjectStore(
        ObjectStoreSettings(
            bucket=endpoints.bucket,
            endpoint_url=endpoints.s3_url,
            region=endpoints.s3_region,
            access_key_id=endpoints.s3_access_key,
            secret_access_key=endpoints.s3_secret_key,
        )
    )
