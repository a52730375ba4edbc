//! Federated learning among real processes: one cloud, eight members, three rounds.
//!
//! This program starts itself again as the cloud and as each member. Two members are killed with `kill -9`, one before its
//! update and one after it has confirmed the survivors, and start again; one comes late; the cloud is killed and started
//! again in the middle. At the end every member has the same model, bit for bit the one that the simulator makes of the
//! updates of those whom the records name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and reports"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pmirs_cloud::{Config, Embedded};
use pmirs_crypto::{Argon2Params, Identity, Prg};
use pmirs_federated::chain::Chain;
use pmirs_federated::charter::Terms;
use pmirs_federated::clip;
use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::message::Step;
use pmirs_federated::model::{Manifest, Tensor};
use pmirs_federated::optimiser::{Optimiser, Rule};
use pmirs_federated::plan::{Schedule, Training, Weighting};
use pmirs_federated::simulate::{Script, Unwatched, World};
use pmirs_federated::trainer::{LocalTrainer, Trained};
use pmirs_vault::federate::{Consent, Did, Ending, Founding, Membership, randomness};
use pmirs_vault::privacy::DataSource;
use pmirs_vault::{LoginOptions, Vault};
use pmirs_wire::Digest;
use rand_core::Rng;

const ROLE: &str = "PMIRS_FEDERATION_TEST";
const PASSPHRASE: &str = "a passphrase for tests";
const MEMBERS: usize = 8;
const ROUNDS: u32 = 3;
const WEIGHTS: usize = 1000;
/// Longer than this is a fault.
const PATIENCE: Duration = Duration::from_mins(4);

fn main() {
    match std::env::var(ROLE).as_deref().map(|role| role.split(' ').collect::<Vec<_>>()) {
        Ok(role) => match role.as_slice() {
            ["cloud", folder, listen] => cloud(Path::new(folder), listen.parse().unwrap()),
            ["member", home, federation] => member(Path::new(home), federation.parse().unwrap()),
            other => panic!("{other:?}"),
        },
        Err(_) => eight_members_three_rounds(),
    }
}

/// The child that is the cloud: it says when it is there, and ends with its parent at the latest.
fn cloud(folder: &Path, listen: SocketAddr) {
    let server = Embedded::start(Config { listen, ..Config::loopback(folder) }).unwrap();
    say(&format!(
        "{} {}",
        server.url(),
        server.first_invite().map_or(String::new(), |it| it.to_text().unwrap())
    ));
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The child that is a member: it tells what it does, line by line.
fn member(home: &Path, federation: Digest) {
    let vault = open(home);
    let mut membership = Membership::look(&vault, federation).unwrap();
    if membership.consent().unwrap().is_none() {
        membership.join(&consent(&vault, home)).unwrap();
    }
    let mut trainer = Toy::of(membership.number().unwrap());
    let told = membership.run(&mut trainer, &mut |turn| match turn {
        Ok((Did::Said { round, step }, _)) => say(&format!("said {round} {step}")),
        Ok((Did::Trained { round }, _)) => say(&format!("trained {round}")),
        Ok((Did::Refused { round, reason }, _)) => say(&format!("refused {round} {reason}")),
        Ok(_) => {}
        Err(error) => say(&format!("waits {error}")),
    });
    match told.unwrap() {
        Ending::Finished(weights) => {
            let bits: Vec<String> = weights.iter().map(|weight| weight.to_bits().to_string()).collect();
            say(&format!("finished {}", bits.join(",")));
        }
        Ending::Stopped(reason) => say(&format!("stopped {reason}")),
    }
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

fn open(home: &Path) -> Vault {
    Vault::open(home, &Vault::unlock(home, PASSPHRASE).unwrap()).unwrap()
}

fn consent(vault: &Vault, home: &Path) -> Consent {
    let table = home.join("pairs.tsv");
    std::fs::write(&table, "").unwrap();
    let data = Digest(vault.privacy().data(&DataSource::File(table)).unwrap());
    let epsilon = f64::INFINITY;
    Consent { source: "pairs.tsv".into(), data, epsilon, delta: 1e-5, least_noise: 0.0, agreed_ms: 1 }
}

/// Learns something that depends on the model, the member and the seed.
struct Toy {
    number: u32,
    manifest: Manifest,
}

impl Toy {
    fn of(number: u32) -> Self {
        Self { number, manifest: manifest() }
    }
}

impl LocalTrainer for Toy {
    type Error = Infallible;

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn train(
        &mut self,
        global: &[f32],
        _: &Training,
        round: u32,
        seed: &[u8; 32],
    ) -> Result<Trained, Infallible> {
        let mut rng = Prg::new(seed, b"toy");
        let towards = self.number as f32 / 10.0;
        let update =
            global.iter().map(|weight| 0.1 * (towards - weight) + rng.next_u32() as f32 / 1e12).collect();
        Ok(Trained { update, examples: 5, loss: 1.0 / f64::from(round + 1), quality: Some(0.25) })
    }
}

fn manifest() -> Manifest {
    Manifest { tensors: vec![Tensor { name: "toy".into(), shape: vec![WEIGHTS as u32] }] }
}

fn terms() -> Terms {
    Terms {
        rounds: ROUNDS,
        training: Training {
            local_steps: 1,
            batch: 1,
            schedule: Schedule::Constant { rate: 0.1 },
            proximal: 0.0,
        },
        rule: Rule::FedAvg { rate: 1.0 },
        clip: 50.0,
        adaptive: None,
        noise: 0.0,
        weighting: Weighting::Uniform,
        compression: Compression::None,
        rates: Rates { dropout: 0.25, corrupt: 0.125 },
        quorum: 5,
        cohort: MEMBERS as u32,
        gather_ms: 3_000,
        step_ms: 5_000,
        attempts: 10,
    }
}

/// A process of this program, and what it says.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines }
    }

    /// The next line that begins like this; the others are passed over.
    fn wait_for(&self, beginning: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.starts_with(beginning) => return line,
                Ok(line) => heard.push(line),
                Err(error) => panic!("'{beginning}' never came ({error}) after {heard:?}"),
            }
        }
    }

    /// As `kill -9` does.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn eight_members_three_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("cloud");
    let listen = free_address();
    let serve = || Process::start(&format!("cloud {} {listen}", data.display()));
    let mut server = serve();
    let line = server.wait_for("http");
    let (url, invite) = line.split_once(' ').unwrap();

    let homes: Vec<PathBuf> =
        (0..MEMBERS).map(|number| folder.path().join(format!("home{number}"))).collect();
    let vaults = people(&homes, url, invite);
    let members = vaults.iter().map(Vault::public_identity).collect();
    let weights: Vec<f32> = (0..WEIGHTS).map(|at| (at % 7) as f32).collect();
    let founding = Founding {
        name: "friends".into(),
        base: "toy 1".into(),
        part: "all".into(),
        manifest: manifest(),
        weights: weights.clone(),
        members,
        terms: terms(),
    };
    let chain = vaults[0].start_federation(founding).unwrap();
    let start = |number: usize| Process::start(&format!("member {} {}", homes[number].display(), chain.id()));

    nothing_is_agreed_to_under_a_process_that_takes_part(&vaults[0], &homes[0], chain.id());

    // Seven begin; the eighth comes when the first round has its roster.
    let mut processes: BTreeMap<usize, Process> = (0..7).map(|number| (number, start(number))).collect();
    processes[&0].wait_for("said 0 shares");
    processes.insert(7, start(7));
    // Killed before its update, and back at once.
    processes[&1].wait_for("said 0 shares");
    processes.remove(&1).unwrap().kill();
    processes.insert(1, start(1));
    // The cloud dies after the first updates are in its sum, and comes back.
    processes[&2].wait_for("said 0 upload");
    server.kill();
    server = serve();
    server.wait_for("http");
    // Killed between confirming and revealing, and gone until the round is over.
    processes[&3].wait_for("said 1 confirm");
    processes.remove(&3).unwrap().kill();
    processes[&4].wait_for("trained 2");
    processes.insert(3, start(3));

    let mut models = Vec::new();
    for (number, process) in &processes {
        let line = process.wait_for("finished");
        let bits = line.trim_start_matches("finished ").split(',').map(|bits| bits.parse().unwrap());
        models.push((*number, bits.map(f32::from_bits).collect::<Vec<f32>>()));
    }
    let (_, model) = models[0].clone();
    assert!(models.iter().all(|(_, other)| *other == model), "members have different models");
    simulate(&vaults, chain, weights, &model);
    drop(server);
}

fn nothing_is_agreed_to_under_a_process_that_takes_part(vault: &Vault, home: &Path, federation: Digest) {
    let membership = Membership::look(vault, federation).unwrap();
    let taken = membership.take().unwrap();
    let refused = Membership::look(vault, federation).unwrap().join(&consent(vault, home));
    assert!(refused.unwrap_err().to_string().contains("another process takes part"));
    assert!(membership.consent().unwrap().is_none());
    drop(taken);
}

fn people(homes: &[PathBuf], url: &str, invite: &str) -> Vec<Vault> {
    let mut vaults: Vec<Vault> = Vec::new();
    for home in homes {
        let (vault, _) = Vault::create_with(home, PASSPHRASE, &Argon2Params::insecure_fast()).unwrap();
        let invite = match vaults.first() {
            None => invite.parse().unwrap(),
            Some(first) => first.invite().unwrap(),
        };
        vault.login(url, &LoginOptions { invite: Some(invite), ..LoginOptions::default() }).unwrap();
        vaults.push(vault);
    }
    vaults
}

/// The same rounds in the simulator, with the members that the records name as survivors, must lead to the same model.
fn simulate(vaults: &[Vault], mut chain: Chain, mut weights: Vec<f32>, model: &[f32]) {
    let mut membership = Membership::look(&vaults[0], chain.id()).unwrap();
    assert_eq!(membership.standing().unwrap().round, ROUNDS);
    let seeds: Vec<Identity> = (0..MEMBERS).map(|number| identity(&vaults[number])).collect();
    let mut optimiser = Optimiser::new(chain.charter().terms.rule);
    let mut told = Vec::new();
    for (record, signed) in membership.records().iter().zip(membership.signed_records().unwrap()) {
        let round = chain.round(record.attempt).unwrap();
        let words = |number: u32| {
            let mut rng = randomness(&vaults[number as usize], &round);
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            let trained =
                Toy::of(number).train(&weights, &round.plan().training, record.number, &seed).unwrap();
            clip::encode(&round, &mut rng, &trained, None).unwrap().words
        };
        let present: Vec<u32> = (0..MEMBERS as u32).collect();
        let gone = present.iter().filter(|number| !record.survivors.contains(number));
        let mut script = Script(gone.map(|number| (*number, Step::Upload)).collect());
        let world = World { round: &round, identities: &seeds, present: &present, seed: [3; 32], at_once: 8 };
        let revealed = world.run(&mut script, &mut Unwatched, words).unwrap().revealed;
        assert_eq!(revealed.survivors, record.survivors);
        let simulated =
            chain.conclude(&round, &revealed, &mut weights, &mut optimiser, record.ended_ms).unwrap();
        assert_eq!(simulated, *record, "the simulator's record of round {}", record.number);
        told.push(format!("round {} try {}: {:?}", record.number, record.attempt, record.survivors));
        chain.append(&signed).unwrap();
    }
    assert_eq!(weights, model, "the simulator's model");
    println!("{}", told.join("; "));
}

fn identity(vault: &Vault) -> Identity {
    Identity::from_seed(&Vault::unlock(&vault.home(), PASSPHRASE).unwrap())
}
