//! How long noise takes. Not asserted, since it depends on the machine:
//! `cargo test --release -p pmirs-privacy --test speed -- --ignored --nocapture`

use std::hint::black_box;
use std::time::{Duration, Instant};

use pmirs_crypto::Prg;
use pmirs_privacy::{DiscreteGaussian, DiscreteLaplace, DistributedGaussian, Grid, Variance};

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

    let grid = Grid { clip: 1.0, scale: 65_536.0, components: MANY as u32 };
    let noise = DistributedGaussian::new(grid, 50, Variance::at_least(1e8).unwrap()).unwrap();
    let update = vec![0.001; MANY];
    let client = best(10, || ignore(noise.privatise(&update, &mut rng).unwrap()));
    println!("a client's update of a million, clipped, rounded and noised on all cores: {client:.0?}");
}
