"""Writes tests/suite/golden/zoo/: tiny models with random weights in the layouts that the common zoos publish, and
what the reference implementations make of given pictures and texts. For developers; the test suite never runs it.

    python -m venv env && env/bin/pip install torch==2.15.0 torchvision==0.29.2 transformers==5.23.0 \
        open_clip_torch==3.3.0 timm==1.0.31 onnx==1.23.2 onnxscript==0.7.2 tokenizers==0.23.3 sentencepiece==0.2.3
    env/bin/python crates/encoder/scripts/golden_zoo.py

The references: Hugging Face `transformers` for CLIP and SigLIP (towers; image processors on Pillow, or on torchvision
where nothing is cut out, since Pillow 13 chooses the order of its two passes by their cost), `tokenizers` and
`sentencepiece` for ids, `open_clip` with `timm`'s FastViT for MobileCLIP, all run in PyTorch, never the ONNX file itself.
"""

import json
import re
import shutil
import string
import tempfile
from pathlib import Path

import numpy as np
import onnx
import open_clip
import sentencepiece as spm
import timm
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, SiglipConfig, SiglipImageProcessor, SiglipModel

import golden_clip

OUT = Path(__file__).resolve().parent.parent / "tests" / "suite" / "golden" / "zoo"
CONTEXT = 16
# Larger, smaller, odd margins on either side, extreme, and exactly the tower's size
SHAPES = [(61, 40), (29, 50), (100, 35), (20, 23), (32, 32)]
TEXTS = ["a photo of a cat", "A  DOG on the\tbeach!", "", "red " * 30, "caf\u00e9 na\u00efve 42", "it's the cat's, (really)_red_",
         "\u732b and \U0001f431 \ufb01sh \uff21\u00bd\u3000x", "cafe\u0301 re\u0301\u0301d"]
CORPUS = ["a photo of a cat", "the red dog on the beach", "photos of cats and dogs at the sea", "naive cafe really red fish",
          "the photographer sees the red sea", "a dog and a cat on a photo"]


def drawn(n, width, height):
    """The test draws the same picture from the same formula: soft shapes, sharp edges, full range."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return Image.fromarray(((x * 7 + y * 13 + c * 50 + n * 31 + (x * y) // 3) % 256).astype(np.uint8))


def rounded(vectors):
    return [[float(f"{v:.6g}") for v in row] for row in vectors.detach().numpy()]


def golden(folder, pixels, mean, std, image, ids, text, **more):
    """`pixels`: normalised, as the reference prepares them; kept as bytes, which loses nothing of a resized picture."""
    bytes_ = [np.rint((p.numpy().transpose(1, 2, 0) * std + mean) * 255).astype(np.uint8).tobytes().hex() for p in pixels]
    content = {"shapes": SHAPES, "pixels": bytes_, "image": rounded(image), "texts": TEXTS, "ids": ids, "text": rounded(text), **more}
    (folder / "golden.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")


def export(module, example, path, inputs, output, dynamic):
    """Exports without the exporter's notes, which name files of the machine it ran on."""
    torch.onnx.export(module.eval(), (example,), path, input_names=inputs, output_names=[output], dynamic_shapes=(dynamic,),
                      opset_version=18, external_data=False)
    model = onnx.load(path)
    del model.metadata_props[:], model.functions[:]
    model.graph.doc_string = ""
    del model.graph.metadata_props[:], model.graph.value_info[:]
    for part in [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, path)


class Pooled(torch.nn.Module):
    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, x):
        return self.tower(x)


def randomise(model, seed):
    """Fresh models are too tame: wide weights make the vectors depend on everything."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1:
                p.normal_(0, 1.2 / np.sqrt(p.shape[-1] if p.dim() == 2 else p[0].numel()))
            elif name.endswith("weight"):  # of a norm
                p.normal_(1, 0.1)
            elif not name.endswith("logit_scale"):
                p.normal_(0, 0.1)
    return model.eval()


def clip_vocabulary(folder):
    vocab, merges = golden_clip.tiny_vocabulary()
    reference = golden_clip.clip_tokenizer(vocab, merges)
    start, end = vocab["<|startoftext|>"], vocab["<|endoftext|>"]
    reference.save(str(folder / "tokenizer.json"))

    def encode(text, fill):
        ids, padded = golden_clip.pad(reference.encode(text).ids, start, end, fill)
        return ids, padded

    return len(vocab), start, end, encode


def clip():
    """Hugging Face: `model.safetensors` + `config.json`, and the ONNX pair that `optimum` makes of it."""
    folder = OUT / "clip"
    folder.mkdir(parents=True)
    size, start, end, encode = clip_vocabulary(folder)
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "quick_gelu"}
    config = CLIPConfig(
        text_config={**tower, "vocab_size": size, "max_position_embeddings": CONTEXT, "bos_token_id": start, "eos_token_id": end, "pad_token_id": end},
        vision_config={**tower, "hidden_size": 24, "num_hidden_layers": 2, "image_size": 32, "patch_size": 8}, projection_dim=20)
    model = randomise(CLIPModel(config), 1)
    model.save_pretrained(folder)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": CONTEXT, "pad_token": "<|endoftext|>"}))

    pixels = torch.cat([processor(drawn(n, *s), return_tensors="pt").pixel_values for n, s in enumerate(SHAPES)])
    ids, padded = zip(*(encode(t, end) for t in TEXTS))
    features = lambda m: (m.get_image_features(pixels).pooler_output, m.get_text_features(torch.tensor(padded)).pooler_output)
    image, text = features(model)
    golden(folder, pixels, np.array(processor.image_mean), np.array(processor.image_std), image, ids, text)

    class Text(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids):
            return self.model.get_text_features(input_ids).pooler_output

    class Image_(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            return self.model.get_image_features(pixel_values).pooler_output

    onnx_folder = OUT / "clip_onnx"
    (onnx_folder / "onnx").mkdir(parents=True)
    any_ = torch.export.Dim.DYNAMIC
    export(Text(), torch.tensor(padded[:2])[:, :12], onnx_folder / "onnx" / "text_model.onnx", ["input_ids"], "text_embeds", {0: any_, 1: any_})
    export(Image_(), pixels[:2], onnx_folder / "onnx" / "vision_model.onnx", ["pixel_values"], "image_embeds", {0: any_})
    for name in ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "golden.json"]:
        shutil.copy(folder / name, onnx_folder / name)


# Of NFKC, which would fill a file, a few rules: two letters for one, one for two, a longer match before a shorter
RULES = {"\ufb01": "fi", "\uff21": "A", "\u00bd": "1/2", "\u3000": " ", "e\u0301": "\u00e9", "e\u0301\u0301": "E"}


def siglip_tokenizer(folder):
    """A Unigram model that sentencepiece trains, and `tokenizer.json` as T5's converter writes it."""
    with tempfile.TemporaryDirectory() as scratch:
        codes = lambda text: " ".join(f"{ord(c):X}" for c in text)
        rules = Path(scratch) / "rules.tsv"
        rules.write_text("".join(f"{codes(a)}\t{codes(b)}\n" for a, b in RULES.items()))
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_prefix=f"{scratch}/tiny", vocab_size=90, model_type="unigram",
            hard_vocab_limit=False, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, character_coverage=1.0,
            normalization_rule_tsv=str(rules), minloglevel=2)
        proto = sentencepiece_model_pb2.ModelProto.FromString(Path(f"{scratch}/tiny.model").read_bytes())
        reference = spm.SentencePieceProcessor(model_file=f"{scratch}/tiny.model")
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=2))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "\u2581")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer.get_vocab_size(), lambda text: reference.encode(text) + [1]


def siglip2_tokenizer(folder):
    """BPE over characters with byte tokens, as SigLIP 2 takes it from Gemma; ids for texts in any case."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=340, special_tokens=special + bytes_, show_progress=False))
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    texts = TEXTS + ["  two  blanks ", "\n\ttab"]
    ids = [{"text": t, "ids": tokenizer.encode(t.lower()).ids} for t in texts]
    (folder / "ids.json").write_text(json.dumps(ids) + "\n")


def siglip():
    folder = OUT / "siglip"
    (folder / "onnx").mkdir(parents=True)
    size, encode = siglip_tokenizer(folder)
    # What `SiglipTokenizer` does before the vocabulary; `tokenizer_config.json` says so by its class
    clean = lambda t: re.sub(r"\s+", " ", t.lower().translate(str.maketrans("", "", string.punctuation))).strip()
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(text_config={**tower, "vocab_size": size, "max_position_embeddings": CONTEXT, "projection_size": 16},
                          vision_config={**tower, "image_size": 32, "patch_size": 8})
    model = randomise(SiglipModel(config), 2)
    config.save_pretrained(folder)
    processor = SiglipImageProcessor(size={"height": 32, "width": 32}, resample=3)
    processor.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "SiglipTokenizer", "do_lower_case": True, "model_max_length": CONTEXT, "pad_token": "</s>"}))

    pixels = torch.cat([processor(drawn(n, *s), return_tensors="pt").pixel_values for n, s in enumerate(SHAPES)])
    ids = [encode(clean(t)) for t in TEXTS]
    ids = [i if len(i) <= CONTEXT else [*i[: CONTEXT - 1], 1] for i in ids]
    padded = torch.tensor([i + [1] * (CONTEXT - len(i)) for i in ids])
    vision, text = model.vision_model, model.text_model

    class Text(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.tower = text

        def forward(self, input_ids):
            return self.tower(input_ids).pooler_output

    class Image_(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.tower = vision

        def forward(self, pixel_values):
            return self.tower(pixel_values).pooler_output

    golden(folder, pixels, 0.5, 0.5, vision(pixels).pooler_output, ids, text(padded).pooler_output)
    any_ = torch.export.Dim.DYNAMIC
    export(Text(), padded[:2], folder / "onnx" / "text_model.onnx", ["input_ids"], "pooler_output", {0: any_})
    export(Image_(), pixels[:2], folder / "onnx" / "vision_model.onnx", ["pixel_values"], "pooler_output", {0: any_})


def mobileclip():
    """open_clip: a FastViT image tower, bilinear, mean 0 and deviation 1; one input at a time, as such exports are."""
    folder = OUT / "mobileclip"
    (folder / "visual").mkdir(parents=True)
    (folder / "textual").mkdir()
    size, start, end, encode = clip_vocabulary(folder / "textual")
    trunk = timm.create_model("fastvit_t8", layers=(1, 1, 1, 1), embed_dims=(4, 8, 16, 32), num_classes=20, fork_feat=False)
    trunk = randomise(trunk, 3)
    config = {"embed_dim": 20, "vision_cfg": {"timm_model_name": "fastvit_t8", "image_size": 32},
              "text_cfg": {"context_length": CONTEXT, "vocab_size": size, "width": 16, "heads": 2, "layers": 2, "no_causal_mask": False}}
    text = randomise(open_clip.transformer.TextTransformer(context_length=CONTEXT, vocab_size=size, width=16, heads=2, layers=2, output_dim=20), 4)
    (folder / "config.json").write_text(json.dumps(config))
    preprocess = {"size": [32, 32], "mode": "RGB", "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "interpolation": "bilinear",
                  "resize_mode": "shortest", "fill_color": 0}
    (folder / "visual" / "preprocess_cfg.json").write_text(json.dumps(preprocess))
    transform = image_transform_v2(PreprocessCfg(**preprocess), is_train=False)
    pixels = torch.stack([transform(drawn(n, *s)) for n, s in enumerate(SHAPES)])
    ids, padded = zip(*(encode(t, 0) for t in TEXTS))
    padded = torch.tensor(padded)
    golden(folder, pixels, 0.0, 1.0, trunk(pixels), ids, text(padded))
    export(Pooled(trunk), pixels[:1], folder / "visual" / "model.onnx", ["image"], "embedding", {})
    export(Pooled(text), padded[:1].to(torch.int32), folder / "textual" / "model.onnx", ["text"], "features", {})


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    torch.set_grad_enabled(False)
    clip()
    siglip()
    siglip2_tokenizer(OUT / "siglip2")
    mobileclip()
    for file in sorted(OUT.rglob("*")):
        if file.is_file():
            print(f"{file.stat().st_size:8}", file.relative_to(OUT))
