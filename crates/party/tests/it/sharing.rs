//! Sharing, revoking, leaving; and fresh shares afterwards.

use crate::client::{No, random_rows, rng, vector};
use crate::orders::share;
use crate::{DIM, ID, World};
use pmirs_wire::collection::Role;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::{Action, Answer, PartyRequest, Statement};
use pmirs_wire::{Bytes, Digest, encode};

#[test]
fn statements_follow_their_rules() {
    let world = World::new();
    let [anna, wendy, rob] = [1, 2, 3].map(|seed| world.user(seed));
    anna.create(ID, DIM as u32);
    let latest = share(&anna, &[(&wendy, Role::Writer), (&rob, Role::Reader)]);
    let state = anna.state(0, ID).unwrap();
    let next = Statement { number: 2, previous: state.statement_hash, ..latest };
    let without = |who: &[Digest]| {
        let mut members = next.members.clone();
        members.retain(|member| !who.contains(&Digest(member.account.0)));
        members
    };
    let [a, w, r] = [&anna, &wendy, &rob].map(|user| Digest(user.account.0));
    let promoted = {
        let mut members = next.members.clone();
        for member in &mut members {
            member.role = Role::Owner;
        }
        members
    };
    let table = [
        ("a writer revokes a reader", &wendy, Statement { members: without(&[r]), ..next.clone() }),
        ("a reader promotes itself", &rob, Statement { members: promoted, ..next.clone() }),
        (
            "a reader leaves and takes another along",
            &rob,
            Statement { members: without(&[w, r]), ..next.clone() },
        ),
        ("no owner is left", &anna, Statement { members: without(&[a]), ..next.clone() }),
        ("a number is left out", &anna, Statement { number: 3, ..next.clone() }),
        ("it follows another one", &anna, Statement { previous: Digest([9; 32]), ..next.clone() }),
        ("the dimension changes", &anna, Statement { dim: 99, ..next.clone() }),
        ("other servers", &anna, Statement { trio: Digest([1; 32]), ..next.clone() }),
    ];
    for (what, author, statement) in table {
        let statement = Statement { author: author.account, ..statement };
        for answer in author.try_govern(ID, &statement) {
            assert!(matches!(answer, Err(No::Refused(_))), "{what} is accepted");
        }
    }
    // Somebody else's name above a statement.
    let forged = Statement { author: anna.account, members: without(&[w]), ..next.clone() };
    assert!(rob.try_govern(ID, &forged).into_iter().all(|answer| answer.is_err()));
    // Another identity than the account's.
    let mut members = next.members.clone();
    members[0].identity = Bytes(members[1].identity.0.clone());
    let statement = Statement { author: anna.account, members, ..next.clone() };
    assert!(anna.try_govern(ID, &statement).into_iter().all(|answer| answer.is_err()));

    // A reader may leave, by itself.
    rob.govern(ID, &Statement { author: rob.account, members: without(&[r]), ..next.clone() });
    assert_eq!(rob.state(0, ID).unwrap_err().refused().problem.kind, ProblemKind::NotFound);
    // Until all shares are fresh, each says that somebody went; also after a restart.
    let world = world.restart();
    let anna = world.user(1);
    for place in 0..3 {
        let (statement, stale) = anna.members(place, ID).unwrap();
        assert_eq!((statement.number, statement.members.len(), stale), (2, 2, true));
    }
    let base = anna.state(0, ID).unwrap().version;
    for answer in anna.ask_all(&anna.order(ID, Action::Refresh { base }), &Default::default()) {
        answer.unwrap();
    }
    let world = world.restart();
    let anna = world.user(1);
    assert!([0, 1, 2].iter().all(|place| !anna.members(*place, ID).unwrap().1));
}

#[test]
fn two_statements_of_one_number_do_not_part_the_three() {
    let world = World::new();
    let [anna, wendy, rob] = [1, 2, 3].map(|seed| world.user(seed));
    anna.create(ID, DIM as u32);
    let latest = share(&anna, &[(&wendy, Role::Owner), (&rob, Role::Reader)]);
    let previous = anna.state(0, ID).unwrap().statement_hash;
    let next = |author: &crate::client::User, gone: &crate::client::User| {
        let mut members = latest.members.clone();
        members.retain(|member| member.account != gone.account);
        author.statement(&Statement {
            number: 2,
            previous,
            author: author.account,
            members,
            ..latest.clone()
        })
    };
    let (ours, theirs) = (next(&anna, &rob), next(&rob, &rob));
    // Rob leaves at P1 alone, while Anna tells P0: without P0's word, or with its word for another one, P1 takes none.
    let ask = |user: &crate::client::User, place, statement: &pmirs_wire::split::SignedStatement, first| {
        let order = user.order(ID, Action::Govern { statement: statement.clone() });
        user.send(place, &PartyRequest { order, parts: Bytes::default(), first })
    };
    let conflict = |answer: Result<Answer, No>| {
        assert_eq!(answer.unwrap_err().refused().problem.kind, ProblemKind::Conflict);
    };
    conflict(ask(&rob, 1, &theirs, None));
    let Answer::Receipt(receipt) = ask(&anna, 0, &ours, None).unwrap() else { panic!("no receipt") };
    let word = Some(Bytes(encode(&receipt).unwrap()));
    conflict(ask(&rob, 1, &theirs, word.clone()));
    ask(&anna, 1, &ours, word.clone()).unwrap();
    ask(&anna, 2, &ours, word).unwrap();
    // Two owners at once: one of them is told to look again, and the three agree.
    let previous = anna.state(0, ID).unwrap().statement_hash;
    let (anna, wendy, rob) = (&anna, &wendy, &rob);
    std::thread::scope(|scope| {
        let tell = |user: &crate::client::User, role| {
            let mut members = vec![anna.member(Role::Owner), wendy.member(Role::Owner), rob.member(role)];
            members.sort_by_key(|member| member.account);
            let statement =
                Statement { number: 3, previous, author: user.account, members, ..latest.clone() };
            user.try_govern(ID, &statement).into_iter().flatten().count()
        };
        let first = scope.spawn(move || tell(anna, Role::Reader));
        let second = scope.spawn(move || tell(wendy, Role::Writer));
        let mut told = [first.join().unwrap(), second.join().unwrap()];
        told.sort_unstable();
        assert_eq!(told, [0, 3]);
    });
    let seen = [0, 1, 2].map(|place| rob.state(place, ID).unwrap());
    assert!(seen.iter().all(|state| state.statement == 3 && state.statement_hash == seen[0].statement_hash));
}

/// Words of one component of one row, as they lie in a file.
fn words_of_row(file: &[u8], row: usize) -> Vec<u8> {
    file[40 + row * DIM * 4..40 + (row + 1) * DIM * 4].to_vec()
}

#[test]
fn what_was_removed_is_gone_from_every_disk() {
    let world = World::new();
    let (anna, mut rng) = (world.user(1), rng(43));
    anna.create(ID, DIM as u32);
    let rows = random_rows(&mut rng, 12, DIM);
    anna.change(ID, &rows, &[]).unwrap();
    let removed =
        shares(&world).map(|files| files.iter().map(|file| words_of_row(file, 5)).collect::<Vec<_>>());
    let kept = shares(&world).map(|files| files.iter().map(|file| words_of_row(file, 6)).collect::<Vec<_>>());
    let holds = |world: &World, secret: &[u8]| {
        let folders = ["north", "east", "south"]
            .map(|name| world.folder.path().join(name).join("collections").join(ID.to_string()));
        let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| bytes.windows(secret.len()).any(|window| window == secret))
    };
    let query = [vector(&mut rng, DIM)];
    assert!(removed.iter().flatten().all(|secret| holds(&world, secret)));
    anna.change(ID, &[], &[rows[5].0]).unwrap();
    assert!(removed.iter().flatten().all(|secret| !holds(&world, secret)), "a removed row's share is left");
    assert!(kept.iter().flatten().all(|secret| holds(&world, secret)));
    let before = anna.search(ID, &query, 20).unwrap();
    assert_eq!(before[0].len(), 11);
    let world = world.restart();
    let anna = world.user(1);
    assert_eq!(anna.search(ID, &query, 20).unwrap(), before);
    anna.change(ID, &random_rows(&mut rng, 2, DIM), &[]).unwrap();
    assert_eq!(world.restart().user(1).search(ID, &query, 20).unwrap()[0].len(), 13);
}

#[test]
fn who_is_revoked_is_out_even_where_one_party_has_not_heard_of_it() {
    let world = World::new();
    let [anna, rob] = [1, 3].map(|seed| world.user(seed));
    anna.create(ID, DIM as u32);
    let latest = share(&anna, &[(&rob, Role::Reader)]);
    let mut rng = rng(41);
    anna.change(ID, &random_rows(&mut rng, 5, DIM), &[]).unwrap();
    let query = [vector(&mut rng, DIM)];
    assert_eq!(rob.search(ID, &query, 3).unwrap()[0].len(), 3);

    // The owner's client dies after P0 heard.
    let state = anna.state(0, ID).unwrap();
    let revoked = Statement {
        number: 2,
        previous: state.statement_hash,
        members: vec![anna.member(Role::Owner)],
        ..latest
    };
    let statement = anna.statement(&revoked);
    anna.ask(0, &anna.order(ID, Action::Govern { statement })).unwrap();
    // P1 and P2 would serve him, P0 does not, and so nobody does.
    assert!(rob.search_raw(ID, &query, 3).into_iter().all(|answer| answer.is_err()));
    // The owner's next search tells the others.
    anna.search(ID, &query, 3).unwrap();
    for place in 0..3 {
        assert_eq!(rob.state(place, ID).unwrap_err().refused().problem.kind, ProblemKind::NotFound);
    }
}

#[test]
fn after_a_refresh_old_shares_are_gone_and_useless() {
    let world = World::new();
    let (anna, mut rng) = (world.user(1), rng(42));
    anna.create(ID, DIM as u32);
    let rows = random_rows(&mut rng, 30, DIM);
    anna.change(ID, &rows, &[]).unwrap();
    anna.change(ID, &[], &[rows[3].0, rows[7].0]).unwrap();
    let query = [vector(&mut rng, DIM)];
    let before = anna.search(ID, &query, 40).unwrap();
    let old = shares(&world);

    let base = anna.state(0, ID).unwrap().version;
    let order = anna.order(ID, Action::Refresh { base });
    for answer in anna.ask_all(&order, &Default::default()) {
        answer.unwrap();
    }
    for place in 0..3 {
        assert_eq!(anna.state(place, ID).unwrap().version.number, base.number + 1);
    }
    assert_eq!(anna.search(ID, &query, 40).unwrap(), before, "the same rows, in the same places");
    let new = shares(&world);
    for (place, (old, new)) in old.iter().zip(&new).enumerate() {
        let kept = new.iter().filter(|file| old.contains(file)).count();
        assert_eq!(kept, 0, "P{place} keeps a file of shares");
        assert_eq!(new.len(), 2);
    }
    // An old x_0, x_1 of P0 with a new x_2 of P1 is no embedding: the sums differ from all rows.
    let word =
        |file: &[u8], at: usize| u32::from_le_bytes(file[40 + at * 4..44 + at * 4].try_into().unwrap());
    let mixed: Vec<u32> = (0..DIM)
        .map(|at| word(&old[0][1], at).wrapping_add(word(&old[0][0], at)).wrapping_add(word(&new[1][0], at)))
        .collect();
    assert!(
        mixed.iter().any(|value| (*value as i32).unsigned_abs() > 128),
        "old and new shares fit together"
    );
    let world = world.restart();
    let anna = world.user(1);
    assert_eq!(anna.search(ID, &query, 40).unwrap(), before, "and after a restart");
    anna.change(ID, &random_rows(&mut rng, 2, DIM), &[]).unwrap();
}

/// Every party's files of shares: the second component, then the first.
fn shares(world: &World) -> [Vec<Vec<u8>>; 3] {
    ["north", "east", "south"].map(|name| {
        let folder = world.folder.path().join(name).join("collections").join(ID.to_string());
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "shares"))
            .collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
    })
}
