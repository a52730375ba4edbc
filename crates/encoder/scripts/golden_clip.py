"""Writes tests/suite/golden/: tiny CLIP-shaped ONNX pairs with random weights, and what the reference
implementations make of given inputs. For developers; users and the test suite never run it.

    python -m venv env && env/bin/pip install numpy onnx onnxruntime tokenizers pillow
    env/bin/python crates/encoder/scripts/golden_clip.py [FOLDER WITH CLIP'S vocab.json AND merges.txt]

The references are independent of the crate under test: ONNX Runtime for the towers, Hugging Face `tokenizers`
for the ids, Pillow for resampling.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

OUT = Path(__file__).resolve().parent.parent / "tests" / "suite" / "golden"
SIDE, PATCH, WIDTH, HEADS, DIM, CONTEXT = 32, 8, 16, 2, 32, 16
WORDS = ["photo", "of", "cat", "dog", "the", "beach", "red"]
TEXTS = ["a photo of a cat", "A  DOG on the\tbeach!", "", "red red red red red red red red red red red red red red red red",
         "caf\u00e9 na\u00efve 42", "it's the cat's"]


class Graph:
    """Collects nodes and random weights of one ONNX graph."""

    def __init__(self, seed):
        self.rng, self.nodes, self.weights, self.count = np.random.default_rng(seed), [], [], 0

    def constant(self, value):
        self.count += 1
        name = f"w{self.count}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, *shape, scale=None):
        scale = scale or (1.5 / np.sqrt(shape[0]))
        return self.constant(self.rng.normal(0, scale, shape).astype(np.float32))

    def op(self, kind, *inputs, name=None, **attributes):
        self.count += 1
        output = name or f"v{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def linear(self, x, rows, columns):
        return self.op("Add", self.op("MatMul", x, self.weight(rows, columns)), self.weight(columns, scale=0.1))

    def norm(self, x):
        gain = self.constant((1 + 0.1 * self.rng.normal(size=WIDTH)).astype(np.float32))
        return self.op("LayerNormalization", x, gain, self.weight(WIDTH, scale=0.1), axis=-1, epsilon=1e-5)

    def heads(self, x, order):
        split = self.op("Reshape", x, self.constant(np.array([0, -1, HEADS, WIDTH // HEADS], np.int64)))
        return self.op("Transpose", split, perm=order)

    def block(self, x, mask, gelu):
        n = self.norm(x)
        q = self.heads(self.linear(n, WIDTH, WIDTH), [0, 2, 1, 3])
        k = self.heads(self.linear(n, WIDTH, WIDTH), [0, 2, 3, 1])
        v = self.heads(self.linear(n, WIDTH, WIDTH), [0, 2, 1, 3])
        scores = self.op("Mul", self.op("MatMul", q, k), self.constant(np.float32((WIDTH // HEADS) ** -0.5)))
        if mask:
            scores = self.op("Add", scores, mask)
        mixed = self.op("Transpose", self.op("MatMul", self.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        mixed = self.op("Reshape", mixed, self.constant(np.array([0, -1, WIDTH], np.int64)))
        x = self.op("Add", x, self.linear(mixed, WIDTH, WIDTH))
        h = self.linear(self.norm(x), WIDTH, 4 * WIDTH)
        if gelu == "quick":
            h = self.op("Mul", h, self.op("Sigmoid", self.op("Mul", h, self.constant(np.float32(1.702)))))
        else:
            erf = self.op("Erf", self.op("Mul", h, self.constant(np.float32(2**-0.5))))
            half = self.op("Mul", h, self.constant(np.float32(0.5)))
            h = self.op("Mul", half, self.op("Add", erf, self.constant(np.float32(1))))
        return self.op("Add", x, self.linear(h, 4 * WIDTH, WIDTH))

    def save(self, path, inputs, outputs):
        graph = helper.make_graph(self.nodes, path.stem, inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def image_tower(path, seed):
    g, patches = Graph(seed), (SIDE // PATCH) ** 2
    x = g.op("Conv", "pixel_values", g.weight(WIDTH, 3, PATCH, PATCH, scale=0.1), strides=[PATCH, PATCH],
             kernel_shape=[PATCH, PATCH], dilations=[1, 1], pads=[0, 0, 0, 0])  # as torch writes them out
    x = g.op("Reshape", x, g.constant(np.array([0, WIDTH, patches], np.int64)))
    x = g.op("Transpose", x, perm=[0, 2, 1])
    # The class token, repeated for each image of the batch
    batch = g.op("Slice", g.op("Shape", x), *(g.constant(np.array([i], np.int64)) for i in (0, 1)))
    shape = g.op("Concat", batch, g.constant(np.array([1, WIDTH], np.int64)), axis=0)
    x = g.op("Concat", g.op("Expand", g.weight(1, 1, WIDTH, scale=0.5), shape), x, axis=1)
    x = g.norm(g.op("Add", x, g.weight(patches + 1, WIDTH, scale=0.3)))
    x = g.block(g.block(x, None, "quick"), None, "erf")
    first = g.op("Gather", g.norm(x), g.constant(np.array(0, np.int64)), axis=1)
    g.op("MatMul", first, g.weight(WIDTH, DIM), name="image_embeds")
    return g.save(
        path,
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", DIM])],
    )


def text_tower(path, seed, tokens, end, pooled):
    g = Graph(seed)
    x = g.op("Gather", g.weight(tokens, WIDTH, scale=0.5), "input_ids", axis=0)
    x = g.op("Add", x, g.weight(CONTEXT, WIDTH, scale=0.3))
    causal = np.triu(np.full((CONTEXT, CONTEXT), -1e9, np.float32), 1)[None, None]
    # The smaller variant has the exact GELU, so that both kinds are covered
    x = g.norm(g.block(x, g.constant(causal), "quick" if pooled else "erf"))
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", CONTEXT])]
    if pooled:
        inputs.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", CONTEXT]))
        # A mask that weighs nothing in a causal tower, but must be fed: exporters keep the input
        m = g.op("Mul", g.op("Cast", "attention_mask", to=TensorProto.FLOAT), g.constant(np.float32(0)))
        x = g.op("Add", x, g.op("Unsqueeze", m, g.constant(np.array([2], np.int64))))
    projected = g.op("MatMul", x, g.weight(WIDTH, DIM), name="last_hidden_state")
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", CONTEXT, DIM])]
    if pooled:
        is_end = g.op("Cast", g.op("Equal", "input_ids", g.constant(np.array(end, np.int64))), to=TensorProto.INT32)
        first = g.op("ArgMax", is_end, axis=1, keepdims=1)
        g.op("GatherND", projected, first, name="text_embeds", batch_dims=1)
        outputs.append(helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["batch", DIM]))
    return g.save(path, inputs, outputs)


def clip_tokenizer(vocab, merges):
    """As transformers' CLIPConverter builds it, without the special tokens around the text."""
    bpe = models.BPE(vocab=vocab, merges=merges, continuing_subword_prefix="", end_of_word_suffix="</w>",
                     fuse_unk=False, unk_token="<|endoftext|>")
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def tiny_vocabulary():
    """CLIP's numbering over a few merges: each word is built up from its end, so long merges share short ones."""
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printing]
    symbols = [chr(b) for b in printing] + [chr(256 + n) for n in range(len(others))]
    merges, known = [], set()
    for word in WORDS:
        tail = word[-1] + "</w>"
        for letter in reversed(word[:-1]):
            if letter + tail not in known:
                merges.append((letter, tail))
                known.add(letter + tail)
            tail = letter + tail
    names = symbols + [s + "</w>" for s in symbols] + [a + b for a, b in merges]
    names += ["<|startoftext|>", "<|endoftext|>"]
    return {name: n for n, name in enumerate(names)}, merges


def pad(ids, start, end, fill):
    ids = [start, *ids[: CONTEXT - 2], end]
    return ids, ids + [fill] * (CONTEXT - len(ids))


def pixels(n):
    """The test draws the same picture from the same formula."""
    y, x, c = np.meshgrid(np.arange(SIDE), np.arange(SIDE), np.arange(3), indexing="ij")
    return ((x * 7 + y * 13 + c * 50 + n * 31 + (x * y) // 3) % 256).astype(np.uint8)


def rounded(vectors):
    return [[float(f"{v:.6g}") for v in row] for row in vectors]


def towers():
    vocab, merges = tiny_vocabulary()
    reference = clip_tokenizer(vocab, merges)
    start, end = vocab["<|startoftext|>"], vocab["<|endoftext|>"]
    (OUT / "tiny.bpe").write_text("\n".join(["#pmirs-bpe 1", *(f"{vocab[a]} {vocab[b]}" for a, b in merges)]) + "\n")
    reference.save(str(OUT / "tokenizer.json"))

    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    images = np.stack([pixels(n) for n in range(3)])
    normalised = ((images / 255.0 - mean) / std).astype(np.float32).transpose(0, 3, 1, 2)
    image = image_tower(OUT / "image.onnx", 1)
    vectors = image.run(["image_embeds"], {"pixel_values": normalised})[0]
    golden = {"dim": DIM, "side": SIDE, "context": CONTEXT, "mean": mean, "std": std,
              "texts": TEXTS, "image": rounded(vectors), "text": []}
    # Padding with the end token itself is the trap: only the first one may be pooled
    for name, seed, pooled, fill in [("text_pooled", 2, True, end), ("text_per_token", 3, False, 0)]:
        text = text_tower(OUT / f"{name}.onnx", seed, len(vocab), end, pooled)
        ids, padded = zip(*(pad(reference.encode(t).ids, start, end, fill) for t in TEXTS))
        feed = {"input_ids": np.array(padded, np.int64)}
        if pooled:
            feed["attention_mask"] = np.array([[1] * len(i) + [0] * (CONTEXT - len(i)) for i in ids], np.int64)
            vectors = text.run(["text_embeds"], feed)[0]
        else:
            tokens = text.run(["last_hidden_state"], feed)[0]
            vectors = np.stack([row[list(i).index(end)] for row, i in zip(tokens, ids)])
        golden["text"].append({"name": name, "pad": fill, "ids": ids, "vectors": rounded(vectors)})
    (OUT / "towers.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


def resampling():
    """Pillow's filters on a drawn picture, shrinking and enlarging; rows of R, G, B.

    Along the rows first, then along the columns, as Pillow did until 12 and torchvision does; Pillow 13 takes the
    order that is quicker, which shows where a filter overshoots."""
    y, x, c = np.meshgrid(np.arange(29), np.arange(41), np.arange(3), indexing="ij")
    drawn = Image.fromarray(((x * 7 + y * 13 + c * 50 + (x * y) // 3) % 256).astype(np.uint8))
    filters = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR, "area": Image.BOX}
    cases = [{"filter": name, "width": w, "height": h,
              "rgb": np.asarray(drawn.resize((w, drawn.height), kind).resize((w, h), kind)).flatten().tolist()}
             for name, kind in filters.items() for w, h in [(13, 11), (16, 14), (44, 9)]]
    (OUT / "resampling.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")


def clip_ids(folder):
    """Ids of awkward texts under CLIP's real vocabulary."""
    vocab = json.loads((folder / "vocab.json").read_text())
    lines = (folder / "merges.txt").read_text().splitlines()
    merges = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
    reference = clip_tokenizer(vocab, merges)
    texts = ["a photo of a cat", "It's they're I'VE we'll he'd I'm can't 'sup", "\u00c9t\u00e9 caf\u0065\u0301 \u0130stanbul \u039f\u0394\u039f\u03a3",
             "2024-11-21 12\u00bd \u216b \u0664\u0662 x\u00b2", "hello\u3000world\u00a0tabs\t\nlines\u200bzero", "\u732b\u306e\u5199\u771f \ud55c\uad6d\uc5b4 \u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0939\u093f\u0928\u094d\u0926\u0940",
             "\U0001f431\U0001f3fd\u200d\U0001f4bb !!!...''' --<|>-- 's", "supercalifragilisticexpialidocious antidisestablishmentarianism",
             "don't!'s (x)'re", "\u1e9e \u00df \ufb01 \u212b \u01c5 \u02b0 \u24d0 \u0345", "", " ", "_under_score_ e-mail@example.com $5.00 100%"]
    golden = [{"text": t, "ids": reference.encode(t).ids} for t in texts]
    (OUT / "clip_ids.json").write_text(json.dumps(golden, ensure_ascii=True, indent=0) + "\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    towers()
    resampling()
    if len(sys.argv) > 1:
        clip_ids(Path(sys.argv[1]))
    print(sum(f.stat().st_size for f in OUT.iterdir()), "bytes in", OUT)
