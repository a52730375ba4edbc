//! A model whose weights three servers hold in shares: who has none of it finds what its owner finds.

use std::path::Path;
use std::sync::Arc;

use pmirs_encoder::{Encoder, Limits, Picture};
use pmirs_vault::{Collection, Query, Quiet, Role, SearchOptions, Vault, VaultError};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::Answer;

use crate::three::{NAMES, Three};
use crate::world::World;
use crate::{add, copy, share};

/// As collections name it.
const NAME: &str = "secret 1.0.0";

/// A model that no program was built with: one of the project's own under another name.
fn secret(world: &World, of: &str) -> Arc<Encoder> {
    let folder = world.folder.path().join(format!("secret-{of}"));
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(of), &folder);
    let card = std::fs::read_to_string(folder.join("model.toml")).unwrap();
    let line = |line: &str| match line.split(' ').next() {
        Some("name") => "name = \"secret\"".to_owned(),
        Some("version") => "version = \"1.0.0\"".to_owned(),
        _ => line.to_owned(),
    };
    let card = card.lines().map(line).collect::<Vec<_>>().join("\n");
    std::fs::write(folder.join("model.toml"), card).unwrap();
    Arc::new(Encoder::open(&folder).unwrap())
}

/// The owner's collection of such a model, with pictures, and somebody who may write and has no such model.
fn prepared(world: &World, three: &Three) -> (Arc<Encoder>, Vault) {
    let model = secret(world, "compact-lite");
    world.vault.use_encoder(Arc::clone(&model));
    let scans = world.vault.create_split_collection("scans", three.trio.clone()).unwrap();
    assert_eq!(add(&scans, &world.pictures()).added, 6);
    let ben = world.person("ben");
    share(world, "scans", &ben, "ben", Role::Writer);
    (model, ben)
}

fn hits(collection: &Collection<'_>, query: &Query) -> Vec<(String, f32)> {
    let answer = collection.search(query, &SearchOptions::default()).unwrap();
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    answer.hits.into_iter().map(|hit| (hit.meta.name, hit.score)).collect()
}

fn picture(world: &World, name: &str) -> Picture {
    let bytes = std::fs::read(world.pictures().join(name)).unwrap();
    Picture::decode(&bytes, &Limits::default()).unwrap()
}

#[test]
fn who_has_no_model_finds_what_its_owner_finds() {
    let world = World::new();
    let three = Three::new(&world);
    let (model, ben) = prepared(&world, &three);
    let scans = ben.collection("scans").unwrap();
    let words = Query::text("a red circle");
    assert!(matches!(scans.search(&words, &SearchOptions::default()), Err(VaultError::OtherModel { .. })));
    assert!(matches!(scans.encode_remotely(None), Err(VaultError::NoModel(name)) if name == NAME));

    let split = world.vault.split_model(&model, &three.trio, &Quiet).unwrap();
    assert_eq!((split.name.as_str(), split.users.len()), (NAME, 0));
    assert!(matches!(scans.encode_remotely(None), Err(VaultError::NoModel(_))), "it was not lent");
    assert_eq!(world.vault.lend_model(NAME, &three.trio, &["ben".to_owned()], &[]).unwrap(), ["ben"]);
    // Done again, it changes nothing, and other weights do not take the place of these.
    let again = world.vault.split_model(&model, &three.trio, &Quiet).unwrap();
    assert_eq!((again.id, again.users), (split.id, vec!["ben".to_owned()]));
    let other = secret(&world, "compact");
    assert!(matches!(
        world.vault.split_model(&other, &three.trio, &Quiet),
        Err(VaultError::OtherWeights(name)) if name == NAME
    ));

    scans.encode_remotely(None).unwrap();
    let owners = world.vault.collection("scans").unwrap();
    for query in [words, Query::Image(picture(&world, "stripes.png"))] {
        let (far, near) = (hits(&scans, &query), hits(&owners, &query));
        assert_eq!(far.len(), 6);
        for ((name, score), (expected, at)) in far.iter().zip(&near) {
            assert!(name == expected && (score - at).abs() < 5e-3, "{far:?} instead of {near:?}");
        }
    }
    let remote = ben.remote_encoder(NAME, &three.trio).unwrap();
    let green = [picture(&world, "green.png")];
    let cosine = remote.embed_images(&green).unwrap()[0].cosine(&model.embed_images(&green).unwrap()[0]);
    assert!(cosine >= 0.999, "{cosine}");

    // Ben adds what the owner then finds with the model itself.
    let more = world.folder.path().join("more");
    std::fs::create_dir_all(&more).unwrap();
    std::fs::write(more.join("yellow.png"), crate::world::plain(48, 48, [230, 210, 40])).unwrap();
    assert_eq!(add(&scans, &more).added, 1);
    let yellow =
        Picture::decode(&std::fs::read(more.join("yellow.png")).unwrap(), &Limits::default()).unwrap();
    let found = hits(&world.vault.collection("scans").unwrap(), &Query::Image(yellow));
    assert!(found[0].0 == "yellow.png" && found[0].1 > 0.999, "{found:?}");

    // No longer lent, the model is none of his.
    assert!(world.vault.lend_model(NAME, &three.trio, &[], &["ben".to_owned()]).unwrap().is_empty());
    let refused = scans.search(&Query::text("a dog"), &SearchOptions::default()).unwrap_err();
    assert_eq!(refused.refusal(), Some(ProblemKind::NotFound), "{refused}");
    assert!(matches!(scans.encode_remotely(None), Err(VaultError::NoModel(_))));
    world.vault.remove_split_model(NAME, &three.trio).unwrap();
    assert!(matches!(world.vault.remote_encoder(NAME, &three.trio), Err(VaultError::NoModel(_))));
}

#[test]
fn a_server_that_lost_a_model_gets_it_back_and_one_that_lies_is_caught() {
    let world = World::new();
    let mut three = Three::new(&world);
    let (model, ben) = prepared(&world, &three);
    let id = world.vault.split_model(&model, &three.trio, &Quiet).unwrap().id;
    world.vault.lend_model(NAME, &three.trio, &["ben".to_owned()], &[]).unwrap();
    let sentence = |vault: &Vault, three: &Three| {
        vault.remote_encoder(NAME, &three.trio)?.embed_texts(&["a dog"]).map_err(VaultError::from)
    };
    let expected = model.embed_texts(&["a dog"]).unwrap().remove(0);
    let right = |three: &Three| sentence(&ben, three).unwrap()[0].cosine(&expected) > 0.999;
    assert!(right(&three));

    // What is public of it any user hands over; what is not, the owner has the two others give back.
    three.restart(|folders| {
        let store = folders[2].join("collections").join(id.to_string());
        std::fs::remove_file(store.join("manifest")).unwrap();
    });
    assert!(right(&three));
    three.lose(1, id, &[&world.vault, &ben]);
    let lost = sentence(&ben, &three);
    assert!(matches!(&lost, Err(VaultError::PartyLacks { party }) if party == NAMES[1]), "{lost:?}");
    world.vault.split_model(&model, &three.trio, &Quiet).unwrap();
    assert!(right(&three));

    let (trio, liar) = three.with_liar(2);
    let remote = ben.remote_encoder(NAME, &trio).unwrap();
    liar.tells(|_, answer| {
        if let Answer::Encoded(encoded) = answer {
            encoded.vector.own.0[3] ^= 1;
        }
    });
    let caught = remote.embed_texts(&["a dog"]).map_err(VaultError::from);
    assert!(
        matches!(&caught, Err(VaultError::Party { reason, .. }) if reason.contains("session")),
        "{caught:?}"
    );
    liar.tells(|_, answer| {
        if let Answer::Models(entries) = answer {
            entries[0].manifest.0[0] ^= 1;
        }
    });
    let caught = ben.remote_encoder(NAME, &trio).map(drop);
    assert!(matches!(&caught, Err(VaultError::Party { party, .. }) if party == NAMES[2]), "{caught:?}");
    liar.is_honest();
    assert!(remote.embed_texts(&["a dog"]).is_ok());
}
