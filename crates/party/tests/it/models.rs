//! Models in shares: dealt in pieces, whole at all three or of no use, and encoding what the layers compute in the clear.

use pmirs_wire::collection::Role;
use pmirs_wire::limits;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::{Action, Answer, Encode, Statement, TreeAction};

use crate::client::model::{MODEL, Model, OF_ROW, deal};
use crate::client::{No, User, random_rows, rng, vector};
use crate::{DIM, ID, World};

fn kind(no: No) -> ProblemKind {
    no.refused().problem.kind
}

#[test]
fn a_model_is_of_use_once_it_is_whole_at_all_three_and_stays_so() {
    let world = World::new();
    let (anna, model) = (world.user(1), Model::new(5));
    let rows = model.rows();
    assert!(rows.len() > 1, "several pieces");
    anna.found(&model);
    let [(tower, input, _), _] = model.examples();
    let refused = |user: &User| user.encode_raw(&model, tower, &input).map(|no| kind(no.unwrap_err()));
    assert!(refused(&anna).contains(&ProblemKind::Conflict), "nothing is there yet");
    let (last, before) = rows.split_last().unwrap();
    let commit = anna.lay_ready(before, 0).unwrap();
    anna.commit_at(&[0, 1, 2], &commit);
    assert!(refused(&anna).contains(&ProblemKind::Conflict), "one piece is missing");
    // Only the first hears of the last piece before all three are stopped: the next session tells the others.
    let commit = anna.lay_ready(std::slice::from_ref(last), before.len()).unwrap();
    anna.commit_at(&[0], &commit);
    let world = world.restart();
    let anna = world.user(1);
    assert_eq!([0, 1, 2].map(|place| anna.state(place, MODEL).unwrap().version.number), [2, 1, 1]);
    anna.encodes(&model);
    // Fresh shares are shares of the same weights, carries between words and all.
    let base = anna.state(0, MODEL).unwrap().version;
    for answer in anna.ask_all(&anna.order(MODEL, Action::Refresh { base }), &Default::default()) {
        answer.unwrap();
    }
    anna.encodes(&model);
    for place in 0..3 {
        anna.ask(place, &anna.order(MODEL, Action::Delete)).unwrap();
        assert!(anna.models(place).is_empty());
    }
}

#[test]
fn whoever_may_use_a_model_encodes_and_does_nothing_else_with_it() {
    let world = World::new();
    let [anna, ben, eve] = [1, 2, 3].map(|seed| world.user(seed));
    let model = Model::new(6);
    anna.share_weights(&model);
    let [(tower, input, _), _] = model.examples();
    for stranger in [&ben, &eve] {
        assert!(stranger.models(0).is_empty());
        let no = stranger.encode_raw(&model, tower, &input).map(|no| kind(no.unwrap_err()));
        assert!(no.contains(&ProblemKind::NotFound), "{no:?}");
    }
    let state = anna.state(0, MODEL).unwrap();
    let mut members = vec![anna.member(Role::Owner), ben.member(Role::Reader)];
    members.sort_by_key(|member| member.account);
    let lent = Statement {
        number: 1,
        previous: state.statement_hash,
        members,
        model: Some(model.digest()),
        ..anna.first_statement(MODEL, limits::SPLIT_MODEL_ROW as u32)
    };
    anna.govern(MODEL, &lent);
    ben.encodes(&model);
    let entry = &ben.models(2)[0];
    assert_eq!(
        (entry.model, entry.manifest, entry.name.as_deref()),
        (MODEL, model.digest(), Some("small 6"))
    );
    assert_eq!(entry.owners, [anna.account]);
    let Answer::Manifest(manifest) = ben.ask(1, &ben.order(MODEL, Action::Manifest)).unwrap() else {
        panic!()
    };
    assert_eq!(manifest, model.bytes());

    // The rows are weights: nobody finds the nearest of them, or lists them, the owner neither.
    for user in [&anna, &ben] {
        let searched = user.search_raw(MODEL, &[vec![1; limits::SPLIT_MODEL_ROW]], 1);
        assert!(searched.into_iter().all(|no| kind(no.unwrap_err()) == ProblemKind::BadRequest));
        let rows = user.ask(0, &user.order(MODEL, Action::Rows { from: 0 })).unwrap_err();
        assert_eq!(kind(rows), ProblemKind::BadRequest);
        let tree = user.ask(0, &user.order(MODEL, Action::Tree(TreeAction::Show))).unwrap_err();
        assert_eq!(kind(tree), ProblemKind::BadRequest);
    }
    assert_eq!(kind(ben.lay_ready(&model.rows()[..1], 0).unwrap_err()), ProblemKind::Forbidden);
    // A collection of pictures is no model.
    anna.create(ID, DIM as u32);
    anna.change(ID, &random_rows(&mut rng(8), 3, DIM), &[]).unwrap();
    let (bytes, parts) = deal(&input);
    let order = anna.order(ID, Action::Encode(Encode { model: model.digest(), tower, parts }));
    assert!(
        anna.ask_all(&order, &bytes).into_iter().all(|no| kind(no.unwrap_err()) == ProblemKind::BadRequest)
    );
    assert_eq!(anna.search(ID, &[vector(&mut rng(9), DIM)], 2).unwrap()[0].len(), 2);
}

#[test]
fn what_is_no_manifest_or_no_next_piece_is_refused() {
    let world = World::new();
    let (anna, model) = (world.user(1), Model::new(7));
    // Rows of a model have one width.
    let odd = Statement { model: Some(model.digest()), ..anna.first_statement(MODEL, 24) };
    assert!(
        anna.try_govern(MODEL, &odd).into_iter().all(|no| kind(no.unwrap_err()) == ProblemKind::BadRequest)
    );
    let statement = anna.first_statement(MODEL, limits::SPLIT_MODEL_ROW as u32);
    anna.govern(MODEL, &Statement { model: Some(model.digest()), ..statement });
    let rows = model.rows();
    assert_eq!(kind(anna.lay_ready(&rows[..1], 0).unwrap_err()), ProblemKind::Conflict, "no manifest yet");
    let other = Model::new(8);
    assert_eq!(kind(anna.describe(0, &other.bytes(), other.digest()).unwrap_err()), ProblemKind::Conflict);
    assert_eq!(kind(anna.describe(0, &other.bytes(), model.digest()).unwrap_err()), ProblemKind::BadRequest);
    for place in 0..3 {
        anna.describe(place, &model.bytes(), model.digest()).unwrap();
    }
    assert_eq!(kind(anna.lay_ready(&rows[..1], 1).unwrap_err()), ProblemKind::Conflict, "not the next piece");
    let too_many = vec![vec![0; OF_ROW]; rows.len() + 1];
    assert_eq!(kind(anna.lay_ready(&too_many, 0).unwrap_err()), ProblemKind::Conflict, "more than it has");
    let commit = anna.lay_ready(&rows, 0).unwrap();
    anna.commit_at(&[0, 1, 2], &commit);
    anna.encodes(&model);
    let [(tower, input, _), _] = model.examples();
    // The first has seeds alone, which are of any length, and hears it from the two others.
    let short = anna.encode_raw(&model, tower, &input[1..]).map(|no| kind(no.unwrap_err()));
    assert!(short[1..].contains(&ProblemKind::BadRequest), "{short:?}");
    // Another model than the one that is there.
    let no = anna.encode_raw(&other, tower, &input).map(|no| kind(no.unwrap_err()));
    assert_eq!(no, [ProblemKind::Conflict; 3]);
}

#[test]
fn a_network_that_asks_for_too_much_is_refused_before_memory_is_taken() {
    let world = World::new();
    let anna = world.user(1);
    let mut model = Model::new(9);
    model.manifest.image.size = 1024;
    model.manifest.image.stem = 8192;
    let statement = anna.first_statement(MODEL, limits::SPLIT_MODEL_ROW as u32);
    anna.govern(MODEL, &Statement { model: Some(model.digest()), ..statement });
    assert_eq!(kind(anna.describe(0, &model.bytes(), model.digest()).unwrap_err()), ProblemKind::BadRequest);
}
