//! A server with one account and one veiled collection, filled over its own routes.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pmirs_cloud::{Config, Embedded, Limits, Rate};
use pmirs_crypto::{Context, Identity, IdentitySeed, Prg, ServerPublicKey};
use pmirs_vault::remote::{Connection, HttpTransport, Transport};
use pmirs_wire::account::{Challenge, ChallengeRequest, Login, Register, Session};
use pmirs_wire::collection::{EpochGrant, NewCollection, Protection, Role};
use pmirs_wire::envelope::{InnerRequest, Method};
use pmirs_wire::item::{NewItem, NewItems, VeiledVector};
use pmirs_wire::search::{Candidates, Search};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, ItemId, Message, decode, encode, limits};
use rand::TryRng;
use rand::rngs::SysRng;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

use super::BenchError;

/// Coordinates of a veiled vector of the built-in models.
pub(super) const DIM: usize = 320;
/// How many candidates a search asks for: what a client that wants its top 10 or 16 has the cloud return.
const CANDIDATES: u32 = 64;
/// Sealed bytes of metadata, embedding and content, about as photographs have them; the content is not read here.
const SEALED: [usize; 3] = [300, 560, 64];
const ID: CollectionId = CollectionId([7; 16]);

/// The server, and who may ask it.
pub(super) struct Filled {
    pub(super) cloud: Embedded,
    pub(super) key: ServerPublicKey,
    identity: Identity,
    folder: TempDir,
}

impl Filled {
    /// A server whose collection holds so many drawn items.
    pub(super) fn start(items: usize) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(|error| BenchError::file(&std::env::temp_dir(), &error))?;
        let cloud = start(folder.path(), Limits::default().search_threads)?;
        let identity = Identity::from_seed(&IdentitySeed::from_secret(&[7; 32]));
        let key = server_key(&cloud)?;
        let world = Self { cloud, key, identity, folder };
        world.register(&world.anonymous()?)?;
        let asker = world.connect()?;
        world.create(&asker)?;
        fill(&asker, items)?;
        Ok(world)
    }

    /// The same folder under a server that scores each search on one thread; `change` works on it meanwhile.
    pub(super) fn again(
        self,
        change: impl FnOnce(&Path) -> Result<(), BenchError>,
    ) -> Result<Self, BenchError> {
        let Self { cloud, key, identity, folder } = self;
        cloud.stop()?;
        change(folder.path())?;
        Ok(Self { cloud: start(folder.path(), 1)?, key, identity, folder })
    }

    /// A client with a connection and a session of its own.
    pub(super) fn connect(&self) -> Result<Asker, BenchError> {
        let mut asker = self.anonymous()?;
        let account = AccountId(self.identity.public().fingerprint());
        let challenge: Challenge =
            asker.ask(Method::Post, "/v1/login/challenge", encode(&ChallengeRequest { account })?)?;
        let signed = Login::signed_bytes(&self.fingerprint(), &challenge.nonce.0);
        let signature = Bytes(self.identity.sign(Context::Login, &signed).0.to_vec());
        let login = Login { account, nonce: challenge.nonce, signature };
        let session: Session = asker.ask(Method::Post, "/v1/login", encode(&login)?)?;
        asker.token = Some(session.token);
        Ok(asker)
    }

    fn fingerprint(&self) -> Digest {
        Digest(self.key.fingerprint())
    }

    fn anonymous(&self) -> Result<Asker, BenchError> {
        let connection = Connection::new(self.cloud.url(), None)?;
        Ok(Asker { transport: HttpTransport::new(connection, self.key.clone()), token: None })
    }

    fn register(&self, asker: &Asker) -> Result<(), BenchError> {
        let code = self.cloud.first_invite().map(|invite| invite.code).unwrap_or_default();
        let signed = Register::signed_bytes(&self.fingerprint(), &code.0);
        let register = Register {
            identity: Bytes(self.identity.public().to_bytes()),
            name: None,
            signature: Bytes(self.identity.sign(Context::Login, &signed).0.to_vec()),
            code,
        };
        asker.exchange(Method::Post, "/v1/accounts", encode(&register)?).map(drop)
    }

    fn create(&self, asker: &Asker) -> Result<(), BenchError> {
        let new = NewCollection {
            id: ID,
            protection: Protection::Veiled,
            veiled_dim: DIM as u32,
            header: Bytes(vec![1; 100]),
            grant: EpochGrant {
                epoch: 0,
                role: Role::Owner,
                granter: Bytes(self.identity.public().to_bytes()),
                grant: Bytes(vec![1; 100]),
            },
        };
        asker.exchange(Method::Post, "/v1/collections", encode(&new)?).map(drop)
    }
}

/// One client.
pub(super) struct Asker {
    transport: HttpTransport,
    token: Option<Bytes>,
}

impl Asker {
    pub(super) fn search(&self, search: &Search) -> Result<Candidates, BenchError> {
        self.ask(Method::Post, &format!("/v1/collections/{ID}/search"), encode(search)?)
    }

    /// A search as it travels within its envelope.
    pub(super) fn request(&self, search: &Search) -> Result<InnerRequest, BenchError> {
        Ok(self.inner(Method::Post, &format!("/v1/collections/{ID}/search"), encode(search)?))
    }

    fn ask<M: Message>(&self, method: Method, path: &str, body: Vec<u8>) -> Result<M, BenchError> {
        let answer = self.exchange(method, path, body)?;
        decode(&answer).map_err(|error| BenchError::asked(path, &error))
    }

    fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Vec<u8>, BenchError> {
        let request = self.inner(method, path, body);
        let exchange = self.transport.exchange(&request).map_err(|error| BenchError::asked(path, &error))?;
        match exchange.response.status {
            200..300 => Ok(exchange.response.body.0),
            status => Err(BenchError::asked(path, &format!("status {status}"))),
        }
    }

    fn inner(&self, method: Method, path: &str, body: Vec<u8>) -> InnerRequest {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        InnerRequest {
            sent_ms: since.as_millis() as u64,
            method,
            path: path.to_owned(),
            token: self.token.clone(),
            body: Bytes(body),
            signature: None,
        }
    }
}

/// A search, the same for the same seed.
pub(super) fn query(seed: u64) -> Search {
    let query = vector(&mut ChaCha8Rng::seed_from_u64(seed), 0.01);
    Search { epoch: 0, query, skip: 0, count: CANDIDATES, filter: Vec::new() }
}

fn fill(asker: &Asker, items: usize) -> Result<(), BenchError> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut left = items;
    while left > 0 {
        let count = left.min(limits::BATCH_ITEMS);
        let items = (0..count).map(|_| item(&mut rng)).collect();
        asker.exchange(Method::Post, &format!("/v1/collections/{ID}/items"), encode(&NewItems { items })?)?;
        left -= count;
    }
    Ok(())
}

/// A generator that nobody can repeat, as sealing wants it.
pub(super) fn fresh() -> Result<Prg, BenchError> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(|error| BenchError::asked("randomness", &error))?;
    Ok(Prg::new(&seed, b"pmirs bench load"))
}

fn start(folder: &Path, search_threads: usize) -> Result<Embedded, BenchError> {
    let any = Rate::new(u32::MAX, u32::MAX);
    let limits =
        Limits { account_rate: any, peer_rate: any, login_rate: any, search_threads, ..Limits::default() };
    let data: PathBuf = folder.join("cloud");
    Ok(Embedded::start(Config { limits, ..Config::loopback(data) })?)
}

fn server_key(cloud: &Embedded) -> Result<ServerPublicKey, BenchError> {
    let info = Connection::new(cloud.url(), None)?.server_info()?;
    ServerPublicKey::from_bytes(&info.public_key.0).map_err(|error| BenchError::asked("/v1/server", &error))
}

fn item(rng: &mut ChaCha8Rng) -> NewItem {
    let [meta, embedding, content] = SEALED.map(|len| Bytes(bytes(rng, len)));
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    let veiled = Some(vector(rng, 0.01));
    NewItem { item: ItemId(id), epoch: 0, meta, embedding, veiled, content, tokens: Vec::new() }
}

fn vector(rng: &mut ChaCha8Rng, scale: f32) -> VeiledVector {
    VeiledVector { scale, values: Bytes(bytes(rng, DIM)) }
}

pub(super) fn bytes(rng: &mut ChaCha8Rng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}
