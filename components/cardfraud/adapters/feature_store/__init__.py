"""The feature store: Feast over Parquet in the object store and state in Redis.

Offline it keeps **values**, one row for each transaction and view, from which training sets are
read point in time. Online it keeps **state**, one blob for each entity and state view, from which
the transformer computes the same values for a request. Servers import this package without
polars or DuckDB; what needs them is imported on its first use.
"""

from cardfraud.adapters.feature_store.online import OnlineRow
from cardfraud.adapters.feature_store.settings import FeatureStoreSettings
from cardfraud.adapters.feature_store.store import FeatureStore

__all__ = ["FeatureStore", "FeatureStoreSettings", "OnlineRow"]
