"""Object stores on the session's S3 server."""

from typing import Any

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


def careless(store: ObjectStore, *headers: str) -> ObjectStore:
    """Return a store like ``store`` whose server never sees these headers of a write.

    It stands for a server that ignores conditions: all of today's servers in reach honour them.
    """
    made = ObjectStore(store.settings)

    def strip(request: Any, **_: Any) -> None:
        for header in headers:
            del request.headers[header]

    made._client.meta.events.register("before-sign.s3.PutObject", strip)
    return made
