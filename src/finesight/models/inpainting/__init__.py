"""Networks; see ``finesight.models.table``."""
