"""A worker process for tests that kill it: brings one hour up to date, seals it and makes its state."""

import sys

from s3sentinel_assets.config import load_config
from s3sentinel_assets.pipeline import delivery, discovery, parsing, scoring, states
from s3sentinel_assets.pipeline.runtime import Runtime


def main(config_file: str, source: str, hour: str) -> None:
    runtime = Runtime(load_config(config_file))
    print("started", flush=True)
    discovery.discover(runtime, source, [hour])
    parsing.parse_hour(runtime, source, hour)
    states.seal_hour(runtime, source, hour)
    states.advance_state(runtime, source, hour)
    scoring.score_hour(runtime, source, hour)
    delivery.deliver_hour(runtime, source, hour)
    runtime.close()
    print("finished", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
