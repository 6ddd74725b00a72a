"""`python -m benchmarks.mock.served PORT`: serve the mock with its small catalogue and a frozen clock."""

import sys

import uvicorn

from tallyhook_mock.app import create_app
from tallyhook_mock.mock import Mock
from tallyhook_mock.server import bind, configure, own_process

if __name__ == "__main__":
    own_process()
    # The same as `tallyhook mock`, but without the command line.
    uvicorn.Server(configure(create_app(Mock()))).run(sockets=[bind("127.0.0.1", int(sys.argv[1]))])
