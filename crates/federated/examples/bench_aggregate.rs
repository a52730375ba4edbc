//! `cargo run --release -p pmirs-federated --example bench_aggregate -- CLIENTS WEIGHTS [DROPOUTS [CORRUPT]]`

use std::time::Instant;

use pmirs_federated::bench::{Settings, aggregate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize, default: &str| arguments.get(at).map_or(default, String::as_str).to_owned();
    let settings = Settings {
        clients: argument(0, "100").parse()?,
        weights: argument(1, "1000000").parse()?,
        dropouts: argument(2, "0.1").parse()?,
        corrupt: argument(3, "0.1").parse()?,
    };
    let start = Instant::now();
    let measured = aggregate(&settings, [1; 32], || start.elapsed().as_secs_f64())?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}
