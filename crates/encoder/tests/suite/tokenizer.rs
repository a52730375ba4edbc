//! CLIP's tokenizer against Hugging Face's, on the tiny vocabulary always and on the real one where it is.

use std::path::PathBuf;

use pmirs_encoder::tokenizer::Clean;
use pmirs_encoder::{Tokenizer, TokenizerError, Vocabulary};
use proptest::prelude::*;
use serde::Deserialize;

const TINY: &str = include_str!("golden/tiny.bpe");
const TINY_HUGGING_FACE: &str = include_str!("golden/tokenizer.json");

fn tiny() -> Tokenizer {
    Tokenizer::from_bpe("tiny.bpe", TINY).unwrap()
}

/// CLIP's own vocabulary, which is not part of the project.
fn clip() -> Option<Tokenizer> {
    let folder = std::env::var_os("PMIRS_MODELS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models"),
        PathBuf::from,
    );
    let read = |file: &str| std::fs::read_to_string(folder.join("clip_tokenizer").join(file));
    let (Ok(vocab), Ok(merges)) = (read("vocab.json"), read("merges.txt")) else {
        println!("skipped: no clip_tokenizer in {} (set PMIRS_MODELS)", folder.display());
        return None;
    };
    Some(Tokenizer::from_vocab_and_merges(&vocab, &merges).unwrap())
}

#[derive(Deserialize)]
struct Golden {
    text: String,
    ids: Vec<u32>,
}

#[test]
fn real_clip_ids_match_the_reference() {
    let Some(clip) = clip() else { return };
    let photo = clip.encode("a photo of a cat", 77);
    assert_eq!(photo, [49406, 320, 1125, 539, 320, 2368, 49407]);
    assert_eq!(clip.len(), 49408);
    let golden: Vec<Golden> = serde_json::from_str(include_str!("golden/clip_ids.json")).unwrap();
    for Golden { text, ids } in golden {
        let got = clip.encode(&text, 1024);
        assert_eq!(got.get(1..got.len() - 1).unwrap(), ids, "{text:?}");
    }
}

#[test]
fn clips_own_numbering_is_the_merge_list() {
    let Some(clip) = clip() else { return };
    let bpe = Tokenizer::from_bpe("clip.bpe", &clip.to_bpe()).unwrap();
    assert_eq!((bpe.len(), bpe.start(), bpe.end()), (49408, 49406, 49407));
    for text in ["a photo of a cat", "Zwölf Boxkämpfer", "🐱 memes, 2024!"] {
        assert_eq!(bpe.encode(text, 77), clip.encode(text, 77), "{text:?}");
    }
}

#[test]
fn a_subset_keeps_its_words_whole_and_spells_out_the_others() {
    let Some(clip) = clip() else { return };
    let wanted = clip.encode("a photo of a cat", 77);
    let subset = clip.subset(&wanted);
    assert!(subset.len() < 600, "{} tokens for five words", subset.len());
    assert_eq!(subset.encode("a photo of a cat", 77).len(), 7, "five words, five tokens");
    let unknown = subset.encode("zebra", 77);
    assert!(unknown.len() > 4 && unknown.iter().all(|&id| (id as usize) < subset.len()));
}

#[test]
fn the_three_file_formats_agree() {
    let bpe = tiny();
    let hugging_face = Tokenizer::from_tokenizer_json(TINY_HUGGING_FACE).unwrap();
    for text in ["a photo of the red dog", "It's THE beach!", "naïve café 42", ""] {
        assert_eq!(hugging_face.encode(text, 16), bpe.encode(text, 16), "{text:?}");
    }
    assert_eq!(Tokenizer::from_bpe("again", &bpe.to_bpe()).unwrap().to_bpe(), TINY);
}

#[test]
fn long_texts_lose_their_tail_but_not_their_end() {
    let tiny = tiny();
    let ids = tiny.encode(&"red ".repeat(100), 16);
    assert_eq!((ids.len(), ids.last()), (16, Some(&tiny.end())));
    // One endless word: bounded work, bounded output.
    assert_eq!(tiny.encode(&"x".repeat(1 << 20), 77).len(), 77);
}

#[test]
fn special_tokens_written_in_a_text_are_plain_text() {
    let tiny = tiny();
    let ids = tiny.encode("<|endoftext|> a cat <|startoftext|>", 77);
    assert_eq!(ids.iter().filter(|&&id| id == tiny.end()).count(), 1);
    assert_eq!(ids.iter().filter(|&&id| id == tiny.start()).count(), 1);
}

#[test]
fn malformed_vocabularies_are_named() {
    let reason = |result: Result<Tokenizer, TokenizerError>| result.unwrap_err().to_string();
    assert!(reason(Tokenizer::from_bpe("x.bpe", "a b\n")).contains("first line"));
    assert!(reason(Tokenizer::from_bpe("x.bpe", "#pmirs-bpe 2\n")).contains("#pmirs-bpe 2"));
    for bad in ["ab", "1", "1 2 3", "-1 2", "1 512", ""] {
        let file = format!("#pmirs-bpe 1\n{bad}\n0 0\n");
        assert!(
            reason(Tokenizer::from_bpe("x.bpe", &file))
                .contains(&format!("{bad:?} is not two tokens below 512"))
        );
    }
    assert!(reason(Tokenizer::from_vocab_and_merges("{}", "")).contains("no token \"!\""));
    assert!(reason(Tokenizer::from_vocab_and_merges("[]", "")).starts_with("vocab.json"));
    assert!(reason(Tokenizer::from_tokenizer_json("{")).starts_with("tokenizer.json"));
    let unigram = r#"{"model":{"type":"Unigram","vocab":[["a",0.0]]}}"#;
    assert!(matches!(
        Tokenizer::from_tokenizer_json(unigram),
        Err(TokenizerError::Unsupported { field: "model.type", .. })
    ));
}

proptest! {
    #[test]
    fn any_text_gives_a_well_formed_sequence(text in ".{0,200}", context in 3usize..100) {
        let tiny = tiny();
        let ids = tiny.encode(&text, context);
        prop_assert!(ids.len() >= 2 && ids.len() <= context);
        prop_assert_eq!(ids.first(), Some(&tiny.start()));
        prop_assert_eq!(ids.iter().position(|&id| id == tiny.end()), Some(ids.len() - 1));
        prop_assert!(ids.iter().all(|&id| (id as usize) < tiny.len()));
    }

    #[test]
    fn words_are_encoded_on_their_own(left in "[a-zA-Zéß0-9]{0,12}", right in "[a-zA-Zéß0-9]{0,12}") {
        let tiny = tiny();
        let body = |text: &str| {
            let ids = tiny.encode(text, 1000);
            ids.get(1..ids.len() - 1).unwrap().to_vec()
        };
        prop_assert_eq!(body(&format!(" {left}\t \n{right} ")), [body(&left), body(&right)].concat());
    }

    #[test]
    fn mutated_vocabularies_never_panic(at in 0usize..11_000, byte in any::<u8>()) {
        for file in [TINY, TINY_HUGGING_FACE] {
            let mut bytes = file.as_bytes().to_vec();
            let at = at % bytes.len();
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            let text = String::from_utf8_lossy(&bytes);
            let read = [Tokenizer::from_bpe("x", &text), Tokenizer::from_tokenizer_json(&text)];
            for tokenizer in read.into_iter().flatten() {
                let ids = tokenizer.encode("a red dog", 77);
                prop_assert!(ids.iter().all(|&id| (id as usize) < tokenizer.len()));
            }
        }
    }
}

const SIGLIP: &str = include_str!("golden/zoo/siglip/tokenizer.json");
const SIGLIP_2: &str = include_str!("golden/zoo/siglip2/tokenizer.json");

#[test]
fn siglip_2_spells_unknown_characters_in_bytes() {
    let vocabulary = Vocabulary::from_tokenizer_json(SIGLIP_2, Clean::Lower).unwrap();
    assert!(matches!(vocabulary, Vocabulary::Pieces(_)));
    let golden: Vec<Golden> = serde_json::from_str(include_str!("golden/zoo/siglip2/ids.json")).unwrap();
    for Golden { text, ids } in golden {
        assert_eq!(vocabulary.encode(&text, 1024), ids, "{text:?}");
    }
}

#[test]
fn special_tokens_written_in_a_text_are_plain_text_for_sentence_pieces_too() {
    for json in [SIGLIP, SIGLIP_2] {
        let vocabulary = Vocabulary::from_tokenizer_json(json, Clean::None).unwrap();
        let ids = vocabulary.encode("</s> <eos> a cat <pad></s><eos>", 64);
        let end = vocabulary.end().unwrap();
        assert_eq!(ids.iter().filter(|&&id| id == end).count(), 1);
        assert_eq!((ids.last(), ids.contains(&0)), (Some(&end), false));
    }
}

#[test]
fn cleaning_is_what_the_references_do() {
    let cleaned = |clean: Clean| {
        // Each text as pieces of a vocabulary that keeps everything apart: compare by ids.
        let vocabulary = Vocabulary::from_tokenizer_json(SIGLIP, clean).unwrap();
        move |text: &str| vocabulary.encode(text, 1000)
    };
    let (plain, siglip, canonical) =
        (cleaned(Clean::None), cleaned(Clean::Siglip), cleaned(Clean::Canonicalize));
    assert_eq!(siglip("  The CAT's\tdog_dog! "), plain("the cats dogdog"));
    assert_eq!(canonical("  The CAT's\tdog_dog! "), plain("the cats dog dog"));
}

#[test]
fn long_texts_cost_bounded_work_in_every_vocabulary() {
    for json in [SIGLIP, SIGLIP_2] {
        let vocabulary = Vocabulary::from_tokenizer_json(json, Clean::None).unwrap();
        for text in ["x".repeat(1 << 20), "\u{732b}".repeat(1 << 18), "a ".repeat(1 << 19)] {
            let ids = vocabulary.encode(&text, 64);
            // Unknown characters in a row are one token.
            assert!((2..=64).contains(&ids.len()), "{} tokens", ids.len());
            assert_eq!(ids.last().copied(), vocabulary.end());
        }
    }
}

proptest! {
    #[test]
    fn any_text_gives_known_pieces(text in ".{0,200}", context in 1usize..100) {
        for json in [SIGLIP, SIGLIP_2] {
            let vocabulary = Vocabulary::from_tokenizer_json(json, Clean::None).unwrap();
            let ids = vocabulary.encode(&text, context);
            prop_assert!(!ids.is_empty() && ids.len() <= context);
            prop_assert!(ids.iter().all(|&id| (id as usize) < vocabulary.len()));
        }
    }

    #[test]
    fn mutated_sentence_pieces_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for file in [SIGLIP, SIGLIP_2] {
            let mut bytes = file.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let text = String::from_utf8_lossy(&bytes);
            if let Ok(vocabulary) = Vocabulary::from_tokenizer_json(&text, Clean::Siglip) {
                let ids = vocabulary.encode("A red dog, \u{fb01}sh e\u{301}", 64);
                prop_assert!(ids.iter().all(|&id| (id as usize) < vocabulary.len()));
            }
        }
    }
}
