"""Writes tests/suite/golden/zoo/: tiny models with random weights in the layouts that the common zoos publish, and
what the reference implementations make of given pictures and texts. For developers; the test suite never runs it.

    python -m venv env && env/bin/pip install torch==2.15.0 torchvision==0.30.0 transformers==5.23.0 \
        open_clip_torch==3.3.0 timm==1.0.31 onnx==1.23.2 onnxscript==0.7.0 tokenizers==0.23.3 sentencepiece==0.2.2
    env/bin/python crates/encoder/scripts/golden_zoo.py

The references: Hugging Face `transformers` for CLIP and SigLIP (towers, tokenizers, image processors on Pillow),
`open_clip` with `timm`'s FastViT for MobileCLIP, all run in PyTorch, never the ONNX file itself.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, SiglipConfig, SiglipImageProcessorPil, SiglipModel

import golden_clip

OUT = Path(__file__).resolve().parent.parent / "tests" / "suite" / "golden" / "zoo"
CONTEXT = 16
# Larger, smaller, odd margins on either side, extreme, and exactly the tower's size
SHAPES = [(61, 40), (29, 50), (100, 35), (20, 23), (32, 32)]
TEXTS = ["a photo of a cat", "A  DOG on the\tbeach!", "", "red " * 30, "caf\u00e9 na\u00efve 42", "it's the cat's, (really)_red_",
         "\u732b and \U0001f431 \ufb01sh \uff21\u00bd\u3000x"]
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
            elif "norm" in name and name.endswith("weight"):
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


def siglip_tokenizer(folder):
    """A Unigram model as SigLIP's: T5's `tokenizer.json` with NFKC, blanks marked, and an end token."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "\u2581")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=90, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def siglip():
    folder = OUT / "siglip"
    (folder / "onnx").mkdir(parents=True)
    tokenizer = siglip_tokenizer(folder)
    # What `SiglipTokenizer` does before the vocabulary; `tokenizer_config.json` says so by its class
    import re
    import string
    clean = lambda t: re.sub(r"\s+", " ", t.lower().translate(str.maketrans("", "", string.punctuation))).strip()
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(text_config={**tower, "vocab_size": tokenizer.get_vocab_size(), "max_position_embeddings": CONTEXT, "projection_size": 16},
                          vision_config={**tower, "image_size": 32, "patch_size": 8})
    model = randomise(SiglipModel(config), 2)
    config.save_pretrained(folder)
    processor = SiglipImageProcessorPil(size={"height": 32, "width": 32}, resample=3)
    processor.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "SiglipTokenizer", "do_lower_case": True, "model_max_length": CONTEXT, "pad_token": "</s>"}))

    pixels = torch.cat([processor(drawn(n, *s), return_tensors="pt").pixel_values for n, s in enumerate(SHAPES)])
    ids = [tokenizer.encode(clean(t)).ids for t in TEXTS]
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
    import timm
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
    mobileclip()
    for file in sorted(OUT.rglob("*")):
        if file.is_file():
            print(f"{file.stat().st_size:8}", file.relative_to(OUT))
