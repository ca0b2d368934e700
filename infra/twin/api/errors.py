"""Refusals as Cloudflare words them: an HTTP status, and a code that belongs to the resource."""


class ApiError(Exception):
    def __init__(self, status: int, code: int, message: str, *, chain: tuple[int, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.chain = chain

    def item(self) -> dict[str, object]:
        item: dict[str, object] = {"code": self.code, "message": self.message}
        if self.chain:
            item["error_chain"] = [{"code": self.chain[0], "message": self.chain[1]}]
        return item


def no_route(path: str) -> ApiError:
    return ApiError(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")
