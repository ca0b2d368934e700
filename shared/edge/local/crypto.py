"""The system's random source."""

import secrets


class SystemCrypto:
    def random_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)
