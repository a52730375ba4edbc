//! `MODEL_CARD.md`, with every figure taken from the run's report.

use std::fmt::Write as _;

use super::student::Student;
use super::{NoMatch, PackReport, Report};
use crate::PackManifest;

/// The card's text.
pub(crate) fn render(pack: &PackReport, run: &Report, manifest: &PackManifest, network: &Student) -> String {
    let mut card = format!("# Model card: {} {}\n\n", manifest.name, manifest.version);
    card.push_str(
        "A built-in encoder of PMIRS: a small image tower and a small text tower with one joint space. `pmirs \
         model distill` made it and wrote this card; every figure below was measured by that run.\n\n",
    );
    architecture(&mut card, pack, run, manifest, network);
    quality(&mut card, pack);
    stages(&mut card, pack, run);
    card.push_str(ORIGIN);
    cutoffs(&mut card, pack);
    card.push_str(LIMITS);
    card
}

fn architecture(
    card: &mut String,
    pack: &PackReport,
    run: &Report,
    manifest: &PackManifest,
    network: &Student,
) {
    let image = network.image.layout().len();
    let trunk = &network.architecture.trunk;
    let size = &pack.size;
    let _ = write!(
        card,
        "## Architecture\n\n\
         | | image tower | text tower |\n|---|---|---|\n\
         | input | RGB, {side} x {side} px, squashed, bicubic, x/127.5 - 1 | CLIP byte pairs, {} of 49,408 \
         tokens; up to {} with start and end |\n\
         | network | {} inverted residual blocks after MobileNetV2, {} features, mean over places, linear plus \
         one hidden layer of {} | embedding, {} residual width-3 convolutions with ReLU, mean over tokens, \
         linear |\n\
         | parameters | {image} | {} |\n\
         | multiply-adds | {} | {} at most |\n\
         | ReLU evaluations | {} | |\n\n\
         Embeddings have {} dimensions. Only convolution, depthwise convolution, linear, ReLU, average pooling, \
         addition and an embedding lookup are used{}; batch normalisation is folded into the weights. Matrices \
         are 8-bit integers with a scale per channel, vectors 16-bit floats; the pack has {} bytes.\n\n",
        run.vocabulary,
        manifest.text.context_length,
        trunk.blocks.len(),
        trunk.features,
        network.architecture.head_hidden,
        network.architecture.text.layers,
        size.parameters - image,
        size.multiply_adds,
        size.text_multiply_adds,
        size.relus,
        manifest.dim,
        if trunk.bounded {
            " (activations stop at 6, as ReLU(x) - ReLU(x - 6), which counts as two)"
        } else {
            ""
        },
        pack.pack_bytes,
        side = size.image_size,
    );
}

fn quality(card: &mut String, pack: &PackReport) {
    let Some(held_out) = &pack.held_out else { return };
    let [photos, captions, left_out] = held_out.counts;
    let _ = write!(
        card,
        "## Measured quality\n\nOn data that neither training nor selection saw:\n\n\
         | {photos} photos of `flickr8k/dev.tsv`, {captions} captions | R@1 | R@5 | R@10 |\n|---|---|---|---|\n"
    );
    for (name, recall) in
        [("text to image", held_out.text_to_image), ("image to text", held_out.image_to_text)]
    {
        let _ = writeln!(card, "| {name} | {:.3} | {:.3} | {:.3} |", recall.r1, recall.r5, recall.r10);
    }
    let _ = write!(
        card,
        "\nCaltech-101, {left_out} photos left out of training, 101 class names as words: accuracy {:.3}. Left \
         out is a photo when the first four bytes of SHA-256 of `class/file`, read as a big-endian number, are \
         divisible by 4.\n\n",
        held_out.accuracy
    );
}

/// Each step of the run up to this pack: quality on the validation split against size.
fn stages(card: &mut String, pack: &PackReport, run: &Report) {
    card.push_str(
        "## How it came to be\n\nThe network after each step, judged on a validation split of the training data \
         (which chose the checkpoints). Milliseconds are of one image on one thread of the training machine, \
         while it was busy.\n\n\
         | step | R@1 | R@5 | R@10 | classes | parameters | multiply-adds | ReLUs | bytes | px | ms |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in &run.steps {
        let (recall, size) = (row.text_to_image, row.size);
        let _ = writeln!(
            card,
            "| {} | {:.3} | {:.3} | {:.3} | {:.3} | {} | {} | {} | {} | {} | {:.1} |",
            row.step,
            recall.r1,
            recall.r5,
            recall.r10,
            row.accuracy,
            size.parameters,
            size.multiply_adds,
            size.relus,
            size.bytes,
            size.image_size,
            size.image_ms
        );
    }
    let sizes: Vec<String> = pack.sizes.iter().map(|(size, score)| format!("{size} px {score:.4}")).collect();
    let [train, validate] = run.photos;
    let _ = write!(
        card,
        "\n{train} photos trained, {validate} judged. The input size is the one with the best validation score \
         (mean recall + 0.2 of class accuracy): {}.\n\n",
        sizes.join(", ")
    );
}

fn cutoffs(card: &mut String, pack: &PackReport) {
    card.push_str(
        "## \"No match\" cutoffs\n\nA search shows nothing below these cosines unless it is told to. Each photo of the \
         validation split asks once; the cutoff is where its nearest right answer is hidden about as often (false \
         negatives) as the nearest wrong one would be shown if there were no right one (false positives). Wrong are \
         class photos, or their names, of other classes only.\n\n\
         | query | item | cutoff | false positives | false negatives | queries |\n|---|---|---|---|---|---|\n",
    );
    for NoMatch { query, item, cutoff, false_positives, false_negatives, queries } in &pack.no_match {
        let _ = writeln!(
            card,
            "| {query} | {item} | {cutoff:.3} | {false_positives:.3} | {false_negatives:.3} | {queries} |"
        );
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
wants to use the weights commercially should retrain on data that allows it: `pmirs model distill` is all it takes.

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
