"""What an upstream may do wrong inside an answer that has status 200."""


class UpstreamShapeError(Exception):
    """The upstream's answer is not what its wire promises. The message names the field, never the content."""


class UpstreamReportedError(Exception):
    """The upstream reported a failure inside an answer or a stream that had begun well (status 200)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status that fits what it said (429, 503, ...); 502 when it did not say."""
        self.message = message
