//! Three servers for tests: stopped, started again, robbed of their stores, and one that lies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pmirs_crypto::{Identity, IdentitySeed, ServerKey, ServerPublicKey};
use pmirs_party::Embedded;
use pmirs_vault::Vault;
use pmirs_wire::split::{Answer, PartyRequest, Trio};
use pmirs_wire::{CollectionId, decode, encode};

use crate::client::{User, rng};
use crate::world::World;

pub const NAMES: [&str; 3] = ["north", "east", "south"];

/// Three servers in folders of a world.
pub struct Three {
    pub trio: Trio,
    pub running: Vec<Embedded>,
    folder: PathBuf,
}

impl Three {
    pub fn new(world: &World) -> Self {
        let folder = world.folder.path().join("parties");
        let running = Embedded::trio(&folder).unwrap();
        Self { trio: running[0].parties().clone(), running: running.into(), folder }
    }

    /// Stops all three, does something to their folders, and starts them again, on other ports.
    pub fn restart(&mut self, meanwhile: impl FnOnce(&[PathBuf; 3])) {
        for party in self.running.drain(..) {
            party.stop().unwrap();
        }
        meanwhile(&NAMES.map(|name| self.folder.join(name)));
        self.running = Embedded::trio(&self.folder).unwrap().into();
        self.trio = self.running[0].parties().clone();
    }

    /// The same, with one of them robbed of a collection.
    pub fn lose(&mut self, place: usize, collection: CollectionId, vaults: &[&Vault]) {
        self.restart(|folders| {
            std::fs::remove_dir_all(folders[place].join("collections").join(collection.to_string())).unwrap();
        });
        for vault in vaults {
            vault.move_parties(&self.trio).unwrap();
        }
    }

    /// A person's own program, which sends the three what it likes.
    pub fn user(&self, words: &str) -> User {
        User::of(Identity::from_seed(&IdentitySeed::from_words(words).unwrap()), &self.trio)
    }

    /// The three as those see them who take this one's lying neighbour for it.
    pub fn with_liar(&self, place: usize) -> (Trio, LyingParty) {
        let key = std::fs::read(self.folder.join(NAMES[place]).join("party.key")).unwrap();
        let key = ServerKey::from_bytes(&key[33..]).unwrap();
        let mut trio = self.trio.clone();
        let liar = LyingParty::before(&trio.parties[place].url, key);
        trio.parties[place].url.clone_from(&liar.url);
        (trio, liar)
    }
}

/// Alters an answer to a request.
type Lie = Box<dyn FnMut(&PartyRequest, &mut Answer) + Send>;

/// A server that has a party's keys, and passes on what the party says, altered.
pub struct LyingParty {
    pub url: String,
    lie: Arc<Mutex<Option<Lie>>>,
}

impl LyingParty {
    fn before(honest: &str, key: ServerKey) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lie: Arc<Mutex<Option<Lie>>> = Arc::default();
        let (honest, key, told) = (honest.to_owned(), Arc::new(key), Arc::clone(&lie));
        // It ends with the program.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (honest, key, lie) = (honest.clone(), Arc::clone(&key), Arc::clone(&told));
                std::thread::spawn(move || while pass_on(&stream, &honest, &key, &lie).is_some() {});
            }
        });
        Self { url, lie }
    }

    pub fn tells(&self, lie: impl FnMut(&PartyRequest, &mut Answer) + Send + 'static) {
        *self.lie.lock().unwrap() = Some(Box::new(lie));
    }

    pub fn is_honest(&self) {
        *self.lie.lock().unwrap() = None;
    }
}

/// One request and its answer; nothing when the client is gone.
fn pass_on(stream: &TcpStream, honest: &str, key: &ServerKey, lie: &Mutex<Option<Lie>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        if first.is_empty() {
            first = line;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let path = first.split(' ').nth(1)?;
    let url = format!("{honest}{path}");
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = if body.is_empty() {
        agent.get(&url).call().ok()?.body_mut().read_to_vec().ok()?
    } else {
        let (plain, sealer) = key.open_request(&body).ok()?;
        let request: PartyRequest = decode(&plain).ok()?;
        let public = ServerPublicKey::from_bytes(&key.public().to_bytes()).ok()?;
        let (sealed, opener) = public.seal_request(&mut rng(length as u64), &plain);
        let raw = agent.post(&url).send(&sealed[..]).ok()?.body_mut().read_to_vec().ok()?;
        let mut answer: Answer = decode(&opener.open(&raw).ok()?).ok()?;
        if let Some(lie) = lie.lock().unwrap().as_mut() {
            lie(&request, &mut answer);
        }
        sealer.seal(&mut rng(raw.len() as u64), &encode(&answer).ok()?)
    };
    let mut writer = stream;
    write!(writer, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len()).ok()?;
    writer.write_all(&answer).ok()
}
