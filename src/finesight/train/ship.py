"""``python -m finesight.train.ship TRAINED OUTPUT``: the weights of a run in the small form that a package carries.

Branches that exist for training only are merged (``collapsed`` of the network, where it has it); the rest stays.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from safetensors import SafetensorError, safe_open

from finesight.errors import Error, InputError
from finesight.models.table import network_class
from finesight.train.start import build_network, start_from
from finesight.train.state import save_weights

__all__ = ["ship"]


def ship(trained: Path, output: Path) -> None:
    """Write the weights of ``trained``, a result of ``finesight train``, without what only training needs.

    Raises:
        InputError: the file is not a result of training.
        OutputError: the output cannot be written.
    """
    try:
        with safe_open(trained, framework="pt") as file:
            metadata = file.metadata() or {}
        architecture, arguments = metadata["architecture"], json.loads(metadata["arguments"])
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise InputError(f"{trained} is not a result of finesight train: {error}") from error
    network = build_network(network_class(architecture), arguments)
    start_from(network, trained)
    if hasattr(network, "collapsed"):
        network = network.collapsed()
        arguments = {**arguments, "expansion": 0}
    card = json.loads(metadata.get("card", "{}"))
    save_weights(network, output, architecture=architecture, arguments=arguments, card=card)


def main() -> int:
    """Ship one file."""
    parser = argparse.ArgumentParser(prog="python -m finesight.train.ship", description=__doc__)
    parser.add_argument("trained", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    try:
        ship(arguments.trained, arguments.output)
    except Error as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
