"""The twin's edge: hostname or path -> Worker script -> the version that was uploaded, on CPython.

In the process of `serai dev`: `host` (sockets, deployments), `slot` (which process answers on a socket), `process`
(one child), `unpack`. In the child processes: `runner` (the entry), `serving`, `connection`, then `asgi` in a cell and
`front` in the front. `channel`, `routes` and `answers` are used on both sides.
"""
