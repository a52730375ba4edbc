//! How long noise takes. Not asserted, since it depends on the machine:
//! `cargo test --release -p pmirs-privacy --test speed -- --ignored --nocapture`

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use pmirs_crypto::Prg;
use pmirs_privacy::{DiscreteGaussian, DiscreteLaplace, DistributedGaussian, Grid, Variance};

fn best(mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..5).map(|_| once(&mut work)).min().unwrap_or_default()
}

#[test]
#[ignore = "a measurement"]
fn a_million_coordinates() {
    const COUNT: usize = 1_000_000;
    let mut rng = Prg::new(&[1; 32], b"speed");
    for deviation in [0.5, 1.0, 3.0, 40.0, 1_000.0, 1e6] {
        let noise = DiscreteGaussian::new(Variance::at_least(deviation * deviation).unwrap());
        let one_core = best(|| (0..COUNT).for_each(|_| drop(black_box(noise.sample(&mut rng)))));
        let all_cores = best(|| drop(black_box(noise.noise(COUNT, &mut rng))));
        println!("discrete gaussian, deviation {deviation}: {one_core:?} on one core, {all_cores:?} on all");
    }
    let laplace = DiscreteLaplace::new(40, 1).unwrap();
    let one_core = best(|| (0..COUNT).for_each(|_| drop(black_box(laplace.sample(&mut rng)))));
    println!("discrete laplace, scale 40: {one_core:?} on one core");

    let grid = Grid { clip: 1.0, scale: 65_536.0, components: COUNT as u32 };
    let noise = DistributedGaussian::new(grid, 50, Variance::at_least(1e8).unwrap()).unwrap();
    let update = vec![0.001; COUNT];
    let client = best(|| drop(black_box(noise.privatise(&update, &mut rng).unwrap())));
    println!("a client's update, clipped, rounded and noised: {client:?} on all cores");
}
