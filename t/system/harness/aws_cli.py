"""Runs the AWS command line many times in one process, because starting it takes two
seconds of a processor: reads argument lists as JSON, one a line, and answers each
with its status and what it has printed."""
import contextlib
import io
import json
import sys

from awscli.clidriver import AWSCLIEntryPoint, create_clidriver


class Captured(io.TextIOWrapper):
    """A text stream with the bytes below that the program also writes to."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def fileno(self):
        raise io.UnsupportedOperation("not a file")


def main():
    answers = sys.stdout
    for line in sys.stdin:
        out = Captured()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = AWSCLIEntryPoint(create_clidriver()).main(json.loads(line))
        out.flush()
        print(json.dumps([status, out.buffer.getvalue().decode()]), file=answers, flush=True)


if __name__ == "__main__":
    main()
