"""Times `pmirs bench encode` beside ONNX Runtime's CPU provider: the same two files, the same number of threads.

    cargo build --release && python crates/encoder/scripts/bench_onnxruntime.py [--threads 1] [--turns 5]

The model has the shape of CLIP ViT-B/32 and random weights. What the script needs it installs from PyPI, into an
environment of its own below `target/`. Both sides take turns, so that what else the machine does meets both alike;
each side's figure is the median of its turns, and each turn's the median of its runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = ROOT / "target" / "onnxruntime-env"
REQUIREMENTS = ["numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.31.1", "tokenizers==0.23.3", "pillow==13.0.0"]

SIDE, PATCH, CONTEXT, VOCABULARY, DIM, LAYERS = 224, 32, 77, 49_408, 512, 12
SENTENCE = "a photo of a dog running along the beach"  # what `pmirs bench encode` embeds


def inside_environment():
    """Runs this script again where its requirements are."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    sys.exit(subprocess.run([python, __file__, *sys.argv[1:], "--installed"]).returncode)


def write_model(folder):
    """The towers as golden_clip.py writes its tiny ones, in the real sizes."""
    import golden_clip as tiny
    import numpy as np
    from onnx import TensorProto, helper

    def save(graph, name, inputs, outputs):
        graph.save(folder / name, inputs, outputs)

    def tensor(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    tiny.WIDTH, tiny.HEADS = 768, 12
    g, patches = tiny.Graph(1), (SIDE // PATCH) ** 2
    x = g.op("Conv", "pixel_values", g.weight(768, 3, PATCH, PATCH, scale=0.02), strides=[PATCH, PATCH],
             kernel_shape=[PATCH, PATCH], dilations=[1, 1], pads=[0, 0, 0, 0])
    x = g.op("Transpose", g.op("Reshape", x, g.constant(np.array([0, 768, patches], np.int64))), perm=[0, 2, 1])
    batch = g.op("Slice", g.op("Shape", x), *(g.constant(np.array([i], np.int64)) for i in (0, 1)))
    shape = g.op("Concat", batch, g.constant(np.array([1, 768], np.int64)), axis=0)
    x = g.op("Concat", g.op("Expand", g.weight(1, 1, 768, scale=0.5), shape), x, axis=1)
    x = g.norm(g.op("Add", x, g.weight(patches + 1, 768, scale=0.3)))
    for _ in range(LAYERS):
        x = g.block(x, None, "quick")
    first = g.op("Gather", g.norm(x), g.constant(np.array(0, np.int64)), axis=1)
    g.op("MatMul", first, g.weight(768, DIM), name="image_embeds")
    save(g, "visual.onnx", [tensor("pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
         [tensor("image_embeds", TensorProto.FLOAT, ["batch", DIM])])

    tiny.WIDTH, tiny.HEADS = 512, 8
    vocab, merges = tiny.tiny_vocabulary()
    end = vocab["<|endoftext|>"]
    g = tiny.Graph(2)
    x = g.op("Gather", g.weight(VOCABULARY, 512, scale=0.5), "input_ids", axis=0)
    x = g.op("Add", x, g.weight(CONTEXT, 512, scale=0.3))
    causal = g.constant(np.triu(np.full((CONTEXT, CONTEXT), -1e9, np.float32), 1)[None, None])
    for _ in range(LAYERS):
        x = g.block(x, causal, "quick")
    is_end = g.op("Cast", g.op("Equal", "input_ids", g.constant(np.array(end, np.int64))), to=TensorProto.INT32)
    pooled = g.op("GatherND", g.norm(x), g.op("ArgMax", is_end, axis=1, keepdims=1), batch_dims=1)
    g.op("MatMul", pooled, g.weight(512, DIM), name="text_embeds")
    save(g, "textual.onnx", [tensor("input_ids", TensorProto.INT64, ["batch", CONTEXT])],
         [tensor("text_embeds", TensorProto.FLOAT, ["batch", DIM])])

    reference = tiny.clip_tokenizer(vocab, merges)
    reference.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"embed_dim": DIM, "text_cfg": {"context_length": CONTEXT}}))
    (folder / "preprocess_cfg.json").write_text(json.dumps(
        {"size": SIDE, "mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711],
         "interpolation": "bicubic", "resize_mode": "shortest"}))
    ids, padded = tiny.pad(reference.encode(SENTENCE).ids, vocab["<|startoftext|>"], end, 0)
    padded = ids + [0] * (CONTEXT - len(ids))
    return np.array([padded], np.int64), np.zeros((1, 3, SIDE, SIDE), np.float32)


def milliseconds(run, seconds=1.5):
    run()
    times, begun = [], time.perf_counter()
    while len(times) < 10 or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--pmirs", type=Path, default=ROOT / "target" / "release" / "pmirs")
    parser.add_argument("--installed", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.installed:
        inside_environment()
    import onnxruntime

    with tempfile.TemporaryDirectory() as scratch:
        folder, home = Path(scratch) / "vit-b-32", Path(scratch) / "home"
        folder.mkdir()
        ids, pixels = write_model(folder)

        def pmirs(*command):
            line = [args.pmirs, "--home", home, "--json", *command]
            return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)

        pmirs("model", "add", folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
        session = lambda name: onnxruntime.InferenceSession(folder / name, options, providers=["CPUExecutionProvider"])
        visual, textual = session("visual.onnx"), session("textual.onnx")
        ours, theirs = [], []
        for _ in range(args.turns):
            measured = pmirs("bench", "encode", "--model", "vit-b-32", "--threads", str(args.threads))
            ours.append((measured["image_ms"], measured["text_ms"]))
            theirs.append((milliseconds(lambda: visual.run(None, {"pixel_values": pixels})),
                           milliseconds(lambda: textual.run(None, {"input_ids": ids}))))
    ours, theirs = ([median(column) for column in zip(*rows)] for rows in (ours, theirs))
    result = {"threads": args.threads, "onnxruntime": onnxruntime.__version__}
    for tower, own, other in zip(["image", "text"], ours, theirs):
        result[tower] = {"pmirs_ms": round(own, 2), "onnxruntime_ms": round(other, 2), "ratio": round(own / other, 2)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
