//! `MODEL_CARD.md`, with every figure taken from the run's report.

use std::fmt::Write as _;

use super::Report;
use crate::PackManifest;

/// The card's text.
pub(crate) fn render(report: &Report, manifest: &PackManifest) -> String {
    let mut card = format!("# Model card: {} {}\n\n", manifest.name, manifest.version);
    card.push_str(
        "The built-in encoder of PMIRS: a small image tower and a small text tower with one joint space. \
         `pmirs model train` made it and wrote this card; every figure below was measured by that run.\n\n",
    );
    architecture(&mut card, report, manifest);
    quality(&mut card, report);
    card.push_str(ORIGIN);
    cutoffs(&mut card, manifest);
    card.push_str(LIMITS);
    card
}

fn architecture(card: &mut String, report: &Report, manifest: &PackManifest) {
    let [image, text] = report.parameters;
    let cost = report.image_cost;
    let [width, height] = manifest.image.size;
    let _ = write!(
        card,
        "## Architecture\n\n\
         | | image tower | text tower |\n|---|---|---|\n\
         | input | RGB, {width} x {height} px, squashed, bicubic, x/127.5 - 1 | CLIP byte pairs, {} of 49,408 \
         tokens; up to {} with start and end |\n\
         | network | MobileNetV2 1.0, mean over places, linear plus one hidden layer | \
         embedding, residual width-3 convolutions with ReLU, mean over tokens, linear |\n\
         | parameters | {image} | {text} |\n\
         | multiply-adds | {} (trunk) | {} at most |\n\
         | ReLU evaluations | {} (trunk) | |\n\n\
         Embeddings have {} dimensions. Only convolution, depthwise convolution, linear, ReLU, average pooling, \
         addition and an embedding lookup are used; batch normalisation is folded into the weights. Weights are \
         16-bit floats; the pack has {} bytes.\n\n",
        report.vocabulary,
        manifest.text.context_length,
        cost.multiply_adds,
        report.text_multiply_adds,
        cost.relus,
        manifest.dim,
        report.pack_bytes,
    );
}

fn quality(card: &mut String, report: &Report) {
    card.push_str("## Measured quality\n\n");
    if let Some(held_out) = &report.held_out {
        let [photos, captions, left_out] = held_out.counts;
        let _ = write!(
            card,
            "On data that neither training nor selection saw:\n\n\
             | {photos} photos of `flickr8k/dev.tsv`, {captions} captions | R@1 | R@5 | R@10 |\n|---|---|---|---|\n"
        );
        for (name, recall) in
            [("text to image", held_out.text_to_image), ("image to text", held_out.image_to_text)]
        {
            let _ = writeln!(card, "| {name} | {:.3} | {:.3} | {:.3} |", recall.r1, recall.r5, recall.r10);
        }
        let _ = write!(
            card,
            "\nCaltech-101, {left_out} photos left out of training, 101 class names as words: accuracy {:.3}. \
             Left out is a photo when the first four bytes of SHA-256 of `class/file`, read as a big-endian \
             number, are divisible by 4.\n\n",
            held_out.accuracy
        );
    }
    card.push_str(
        "While training, on a validation split of the training data (it chose the checkpoint):\n\n",
    );
    card.push_str("| stage | step | loss | R@1 | R@5 | R@10 | classes |\n|---|---|---|---|---|---|---|\n");
    for judgement in &report.judgements {
        let recall = judgement.text_to_image;
        let _ = writeln!(
            card,
            "| {} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
            judgement.stage,
            judgement.step,
            judgement.loss,
            recall.r1,
            recall.r5,
            recall.r10,
            judgement.accuracy
        );
    }
    let sizes = report.sizes.iter().map(|(size, score)| format!("{size} px {score:.4}"));
    let sizes = sizes.collect::<Vec<_>>().join(", ");
    let [train, validate] = report.photos;
    let _ = write!(
        card,
        "\n{train} photos trained, {validate} judged. The input size is the one with the best validation score \
         (mean recall + 0.2 of class accuracy): {sizes}.\n\n"
    );
}

fn cutoffs(card: &mut String, manifest: &PackManifest) {
    let scores = &manifest.scores;
    card.push_str("## \"No match\" cutoffs\n\nThe cosine that 95% of true best matches of the validation split lie above:\n\n");
    card.push_str("| query | item | cutoff |\n|---|---|---|\n");
    for (query, item, cutoff) in [
        ("text", "image", scores.text_to_image),
        ("text", "text", scores.text_to_text),
        ("image", "image", scores.image_to_image),
        ("image", "text", scores.image_to_text),
    ] {
        if let Some(cutoff) = cutoff {
            let _ = writeln!(card, "| {query} | {item} | {cutoff:.3} |");
        }
    }
    card.push('\n');
}

const ORIGIN: &str = "\
## Origin and licences

- Initial weights of the trunk: ImageNet MobileNetV2 1.0/224 (Apache-2.0), batch normalisation folded. Its
  classifier's rows served as class prototypes and its predictions as a regulariser.
- Captions and photos: Flickr8k training split (Hodosh, Young and Hockenmaier 2013), provided for research and
  education. The development split was only measured on.
- Class photos: Caltech-101 (Li, Andreeto, Ranzato and Perona 2022), CC BY 4.0.
- Affinities among class names: CLIP ViT-B/32 text vectors (Apache-2.0).
- Tokens: a subset of OpenAI CLIP's byte-pair vocabulary (MIT).

The data's licences do not allow the photos or captions to be passed on; none are part of this pack. Whoever
wants to use the weights commercially should retrain on data that allows it: `pmirs model train` is all it takes.

";

const LIMITS: &str = "\
## Limits

- It knows everyday scenes with people, dogs, sport and water best, because the captions do; and objects among
  the 1,000 ImageNet and 101 Caltech classes. Text in pictures, counting, fine-grained species, named people
  and places, and anything medical are beyond it.
- English only. Words that training never used are read by their parts and mean little.
- Captions were written by people about people: expect their biases in gender, age and activity.
- The whole picture is squashed to a square; very long panoramas lose detail.
";
