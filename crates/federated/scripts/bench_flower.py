"""Times a round of secure aggregation beside Flower's SecAgg+: as many clients, weights, neighbours and dropouts.

    cargo build --release -p pmirs-federated --example bench_aggregate
    python crates/federated/scripts/bench_flower.py [--clients 100] [--weights 1000000] [--dropouts 0.1] [--turns 3]

Flower's own workflow and client modifier run in this process over a grid that hands messages on, so that neither side pays for a
network; what a client does counts for the client, the rest of a stage for the server. Dropouts happen after keys are shared and
before the upload, on both sides. Both sides take turns, and each side's figure is the median of its turns. What the script
needs it installs from PyPI, into an environment of its own below `target/`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = ROOT / "target" / "flower-env"
REQUIREMENTS = ["flwr==1.42.0", "numpy==2.4.6"]


def inside_environment():
    """Runs this script again where its requirements are."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    sys.exit(subprocess.run([python, __file__, *sys.argv[1:], "--installed"]).returncode)


class InProcess:
    """A grid that lets clients answer at once, and watches the time that they take."""

    def __init__(self, clients, vector, gone):
        from flwr.app import Context, RecordDict

        self.contexts = {
            node: Context(run_id=1, node_id=node, node_config={}, state=RecordDict(), run_config={})
            for node in clients
        }
        self.vector, self.gone = vector, gone
        self.client_s, self.sent = 0.0, dict.fromkeys(clients, 0)

    def send_and_receive(self, messages, *, timeout=None):
        from flwr.client.mod.secure_aggregation.secaggplus_mod import secaggplus_mod
        from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage

        replies = []
        for message in messages:
            node = message.metadata.dst_node_id
            stage = message.content.config_records[RECORD_KEY_CONFIGS][Key.STAGE]
            if node in self.gone and stage in (Stage.COLLECT_MASKED_VECTORS, Stage.UNMASK):
                continue
            start = time.perf_counter()
            # A stage is popped from a record that all messages share.
            message.content.config_records[RECORD_KEY_CONFIGS][Key.STAGE] = stage
            reply = secaggplus_mod(message, self.contexts[node], self.fit)
            message.content.config_records[RECORD_KEY_CONFIGS][Key.STAGE] = stage
            self.client_s += time.perf_counter() - start
            self.sent[node] += size(reply.content.config_records[RECORD_KEY_CONFIGS])
            replies.append(reply)
        return replies

    def fit(self, message, _context):
        from flwr.app import Message
        from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
        from flwr.compat.common import recorddict_compat

        parameters = ndarrays_to_parameters([self.vector])
        result = FitRes(status=Status(Code.OK, ""), parameters=parameters, num_examples=1, metrics={})
        return Message(recorddict_compat.fitres_to_recorddict(result, False), reply_to=message)


def size(record):
    """Bytes of a record's values; Flower's own framing is left out in its favour."""

    def of(value):
        return len(value) if isinstance(value, bytes) else sum(map(of, value)) if isinstance(value, list) else 8

    return sum(of(value) for value in record.values())


def flower(options, neighbours, threshold):
    """One round of Flower's workflow."""
    import logging

    import numpy as np
    from flwr.common import ndarrays_to_parameters
    from flwr.app import ConfigRecord, RecordDict
    from flwr.common.typing import FitIns
    from flwr.compat.common import recorddict_compat
    from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key as WorkflowKey
    from flwr.server.workflow.secure_aggregation.secaggplus_workflow import SecAggPlusWorkflow, WorkflowState
    from flwr.supercore.task_identity import TaskIdentity

    logging.getLogger("flwr").setLevel(logging.ERROR)
    TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1
    clients = list(range(1, options.clients + 1))
    gone = set(clients[: round(options.dropouts * options.clients)])
    vector = np.random.default_rng(1).uniform(-1e-3, 1e-3, options.weights).astype(np.float32)
    grid = InProcess(clients, vector, gone)
    empty = FitIns(ndarrays_to_parameters([np.zeros(1, np.float32)]), {})
    strategy = SimpleNamespace(
        configure_fit=lambda *_: [(SimpleNamespace(node_id=node), empty) for node in clients],
        aggregate_fit=lambda *_: (None, {}),
    )
    state = RecordDict()
    state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({WorkflowKey.CURRENT_ROUND: 1})
    state.array_records[MAIN_PARAMS_RECORD] = recorddict_compat.parameters_to_arrayrecord(empty.parameters, True)
    manager = SimpleNamespace(num_available=lambda: options.clients)
    context = SimpleNamespace(state=state, strategy=strategy, client_manager=manager)
    # One share stays with its owner; the number is odd.
    shares = neighbours + 1 + neighbours % 2
    workflow = SecAggPlusWorkflow(shares, threshold, max_weight=1.0, clipping_range=1.0)
    running = WorkflowState()
    stages = ["setup_stage", "share_keys_stage", "collect_masked_vectors_stage", "unmask_stage"]
    start = time.perf_counter()
    for stage in stages:
        if not getattr(workflow, stage)(grid, context, running):
            sys.exit(f"Flower's {stage} failed")
    server_s = time.perf_counter() - start - grid.client_s
    stayed = options.clients - len(gone)
    sent = max(grid.sent[node] for node in clients if node not in gone)
    return {"server_s": server_s, "client_s": grid.client_s / stayed, "bytes_per_client": sent}


def ours(options):
    program = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/examples/bench_aggregate"
    arguments = [program, options.clients, options.weights, options.dropouts]
    return json.loads(subprocess.run(map(str, arguments), check=True, capture_output=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--weights", type=int, default=1_000_000)
    parser.add_argument("--dropouts", type=float, default=0.1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--installed", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.installed:
        inside_environment()
    turns = {"pmirs": [], "flower": []}
    for _ in range(options.turns):
        turns["pmirs"].append(ours(options))
        # Members choose neighbours one by one, so a member of the graph has about twice as many as it chose, less those twice chosen.
        chosen, others = turns["pmirs"][-1]["neighbours"], options.clients - 1
        degree = round(2 * chosen - chosen * chosen / others)
        threshold = round(degree * turns["pmirs"][-1]["threshold"] / chosen)
        turns["flower"].append(flower(options, degree, threshold))
    measures = ["server_s", "client_s", "bytes_per_client"]
    result = {side: {name: median(turn[name] for turn in runs) for name in measures} for side, runs in turns.items()}
    result["ratio"] = {name: result["flower"][name] / result["pmirs"][name] for name in measures}
    result["neighbours"] = degree
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
