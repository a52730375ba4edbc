//! How long noise takes. Not asserted, since it depends on the machine:
//! `cargo test --release -p pmirs-privacy --test speed -- --ignored --nocapture`

use std::hint::black_box;
use std::time::{Duration, Instant};

use pmirs_crypto::{Identity, IdentitySeed, Prg};
use pmirs_privacy::ledger::{Budget, Ledger, Purpose, Release};
use pmirs_privacy::{
    Adversary, DiscreteGaussian, DiscreteLaplace, DistributedGaussian, Grid, Mechanism, SecretRate, Target,
    Variance,
};

fn ignore<T>(value: T) {
    let _seen = black_box(value);
}

/// The best of many, since others may use the machine.
fn best(tries: usize, mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..tries).map(|_| once(&mut work)).min().unwrap_or_default()
}

#[test]
#[ignore = "a measurement"]
fn a_million_coordinates() {
    const FEW: usize = 20_000;
    const MANY: usize = 1_000_000;
    let mut rng = Prg::new(&[1; 32], b"speed");
    let each = |time: Duration| time.as_secs_f64() * 1e9 / FEW as f64;
    for deviation in [0.5, 1.0, 3.0, 40.0, 1_000.0, 1e6] {
        let noise = DiscreteGaussian::new(Variance::at_least(deviation * deviation).unwrap());
        let one = each(best(50, || (0..FEW).for_each(|_| ignore(noise.sample(&mut rng)))));
        let all = best(10, || ignore(noise.noise(MANY, &mut rng)));
        println!(
            "discrete gaussian, deviation {deviation}: {one:.0} ns a draw on one core; a million on all: {all:.0?}"
        );
    }
    let laplace = DiscreteLaplace::new(40, 1).unwrap();
    let one = each(best(50, || (0..FEW).for_each(|_| ignore(laplace.sample(&mut rng)))));
    println!("discrete laplace, scale 40: {one:.0} ns a draw on one core");
}

#[test]
#[ignore = "a measurement"]
fn accounts_and_ledgers() {
    let grid = Grid { clip: 1.0, scale: 65_536.0, components: 5_000 };
    for sampled_at in [None, Some(SecretRate::assume_poisson_and_hidden(0.1).unwrap())] {
        let target = Target { epsilon: 4.0, delta: 1e-5, rounds: 20, sampled_at };
        let gaussian = best(3, || ignore(target.gaussian().unwrap()));
        let sum = best(3, || ignore(DistributedGaussian::for_target(grid, 500, &target).unwrap()));
        println!(
            "calibration, sampled: {}: {gaussian:.0?} central, {sum:.0?} distributed",
            sampled_at.is_some()
        );
    }
    let anna = Identity::from_seed(&IdentitySeed::from_secret(&[1; 32]));
    let budget = Budget { epsilon: 1e4, delta: 1e-5, least_noise: 0.0, adversary: Adversary::Coordinator };
    let mut ledger = Ledger::new(&anna.public());
    let entries = 1_000;
    let spending = best(1, || {
        for round in 0..entries {
            let release = Release {
                purpose: Purpose::FederatedRound,
                mechanism: Mechanism::gaussian(20.0).unwrap(),
                sampled_at: None,
                round,
                occasion: pmirs_crypto::sha256(&round.to_be_bytes()),
                message: [3; 32],
                data: [4; 32],
                coordinator: [1; 32],
                model: [2; 32],
                at_ms: round,
            };
            ignore(ledger.spend(&anna, &budget, release).unwrap());
        }
    });
    let opening = best(3, || ignore(Ledger::open(ledger.to_bytes(), &anna.public()).unwrap()));
    println!(
        "ledger of {entries}: {spending:.0?} to spend, {opening:.0?} to open, {} bytes",
        ledger.to_bytes().len()
    );
}
