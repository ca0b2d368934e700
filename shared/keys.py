"""API keys: how one is made, what is kept of it. Pure: the same on every runtime."""

import hashlib
import hmac

PREFIX = "sk-serai-"


def derive_admin_key(platform_secret: str, tenant: str, tenant_id: str, epoch: int) -> str:
    """The tenant's admin key of an epoch: 256 bits from the platform secret. Raising the epoch rotates it."""
    message = f"serai/admin-key/v1\n{tenant}\n{tenant_id}\n{epoch}".encode()
    return format_key(tenant, hmac.digest(platform_secret.encode(), message, "sha256"))


def format_key(tenant: str, secret: bytes) -> str:
    """The text of a key: `sk-serai-<tenant>-<64 hex digits>`."""
    return f"{PREFIX}{tenant}-{secret.hex()}"


def hash_key(pepper: str, key: str) -> str:
    """What is stored of a key: hex HMAC-SHA-256 under the pepper."""
    return hmac.new(pepper.encode(), key.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
