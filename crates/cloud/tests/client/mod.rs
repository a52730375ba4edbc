//! A small client for tests: every request over HTTP, in the clear or in an envelope.

use pmirs_cloud::Invite;
use pmirs_crypto::{Context, Identity, IdentitySeed, ServerPublicKey, Signature};
use pmirs_wire::access::{EMPTY_BODY, SENT_HEADER, SIGNATURE_HEADER, SignedRequest, must_be_signed};
use pmirs_wire::account::{Challenge, ChallengeRequest, Login, Register, ServerInfo, Session};
use pmirs_wire::collection::{CollectionRecord, EpochGrant, NewCollection, Protection, Role};
use pmirs_wire::envelope::{InnerRequest, InnerResponse, Method};
use pmirs_wire::item::{Change, Changes, NewItem, NewItems, RemoveItems, Stored, VeiledVector};
use pmirs_wire::problem::Problem;
use pmirs_wire::search::{Candidates, Search};
use pmirs_wire::{AccountId, Bytes, CollectionId, ItemId, Message, decode, encode};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What the veiled vectors of these tests measure.
pub const DIM: usize = 40;

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn random(rng: &mut impl Rng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

pub fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// HTTP to one server.
pub struct Http {
    agent: ureq::Agent,
    pub url: String,
}

/// A status and a body.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn message<M: Message>(&self) -> M {
        assert!((200..300).contains(&self.status), "{}: {:?}", self.status, decode::<Problem>(&self.body));
        decode(&self.body).unwrap()
    }

    pub fn problem(&self) -> Problem {
        assert!(self.status >= 400, "{} is no refusal", self.status);
        decode(&self.body).unwrap()
    }
}

impl Http {
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Self { agent: config.new_agent(), url: url.to_owned() }
    }

    pub fn with_agent(url: &str, agent: ureq::Agent) -> Self {
        Self { agent, url: url.to_owned() }
    }

    pub fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_send(method, path, headers, body).unwrap()
    }

    pub fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, ureq::Error> {
        let method = method.name();
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = if method == "POST" {
            self.agent.run(request.body(body).unwrap())?
        } else {
            self.agent.run(request.body(()).unwrap())?
        };
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        Ok(Reply { status, body })
    }
}

/// A person with an account and a session.
pub struct User {
    pub http: Http,
    pub identity: Identity,
    pub key: ServerPublicKey,
    pub session: Session,
    pub enveloped: bool,
}

pub fn identity(seed: u64) -> Identity {
    Identity::from_seed(&IdentitySeed::generate(&mut rng(seed)))
}

pub fn account(identity: &Identity) -> AccountId {
    AccountId(identity.public().fingerprint())
}

pub fn server_key(http: &Http) -> ServerPublicKey {
    let info: ServerInfo = http.send(Method::Get, "/v1/server", &[], &[]).message();
    ServerPublicKey::from_bytes(&info.public_key.0).unwrap()
}

pub fn register(http: &Http, identity: &Identity, invite: &Invite) -> Reply {
    let signed = Register::signed_bytes(&invite.server, &invite.code.0);
    let register = Register {
        code: invite.code.clone(),
        identity: Bytes(identity.public().to_bytes()),
        name: None,
        signature: Bytes(identity.sign(Context::Login, &signed).0.to_vec()),
    };
    http.send(Method::Post, "/v1/accounts", &[], &encode(&register).unwrap())
}

pub fn register_named(http: &Http, identity: &Identity, invite: &Invite, name: &str) -> Reply {
    let signed = Register::signed_bytes_named(&invite.server, &invite.code.0, name);
    let register = Register {
        code: invite.code.clone(),
        identity: Bytes(identity.public().to_bytes()),
        name: Some(name.to_owned()),
        signature: Bytes(identity.sign(Context::Login, &signed).0.to_vec()),
    };
    http.send(Method::Post, "/v1/accounts", &[], &encode(&register).unwrap())
}

pub fn challenge(http: &Http, account: AccountId) -> Challenge {
    let request = encode(&ChallengeRequest { account }).unwrap();
    http.send(Method::Post, "/v1/login/challenge", &[], &request).message()
}

pub fn login(http: &Http, identity: &Identity, key: &ServerPublicKey) -> Reply {
    let account = account(identity);
    let nonce = challenge(http, account).nonce;
    let signed = Login::signed_bytes(&pmirs_wire::Digest(key.fingerprint()), &nonce.0);
    let signature = Bytes(identity.sign(Context::Login, &signed).0.to_vec());
    let login = encode(&Login { account, nonce, signature }).unwrap();
    http.send(Method::Post, "/v1/login", &[], &login)
}

impl User {
    /// Registers and logs in.
    pub fn join(url: &str, seed: u64, invite: &Invite) -> Self {
        let (http, identity) = (Http::new(url), identity(seed));
        assert_eq!(register(&http, &identity, invite).status, 201);
        Self::resume(http, identity)
    }

    /// Logs in to an account that exists.
    pub fn resume(http: Http, identity: Identity) -> Self {
        let key = server_key(&http);
        let session = login(&http, &identity, &key).message();
        Self { http, identity, key, session, enveloped: false }
    }

    pub fn bearer(&self) -> String {
        let token = pmirs_crypto::Token::from_secret(self.session.token.0.as_slice().try_into().unwrap());
        format!("Bearer {}", *token.to_text())
    }

    /// Asks, in an envelope if this user uses them.
    pub fn ask(&self, method: Method, path: &str, body: &[u8]) -> Reply {
        self.try_ask(method, path, body).unwrap()
    }

    pub fn try_ask(&self, method: Method, path: &str, body: &[u8]) -> Result<Reply, ureq::Error> {
        let sent_ms = now_ms();
        let signature = must_be_signed(method, path).then(|| self.sign(method, path, sent_ms));
        if !self.enveloped {
            let (bearer, sent) = (self.bearer(), sent_ms.to_string());
            let text = signature.map(|signature| signature.to_text()).unwrap_or_default();
            let headers =
                [("authorization", bearer.as_str()), (SENT_HEADER, &sent), (SIGNATURE_HEADER, &text)];
            return self.http.try_send(method, path, &headers, body);
        }
        let request = InnerRequest {
            sent_ms,
            method,
            path: path.to_owned(),
            token: Some(self.session.token.clone()),
            body: Bytes(body.to_vec()),
            signature: signature.map(|signature| Bytes(signature.0.to_vec())),
        };
        let (sealed, opener) = self.key.seal_request(&mut rng(rand_seed()), &encode(&request).unwrap());
        let reply = self.http.try_send(Method::Post, "/v1/envelope", &[], &sealed)?;
        if reply.status != 200 {
            return Ok(reply);
        }
        let answer: InnerResponse = decode(&opener.open(&reply.body).unwrap()).unwrap();
        Ok(Reply { status: answer.status, body: answer.body.0 })
    }

    /// Signs a request without a body.
    pub fn sign(&self, method: Method, path: &str, sent_ms: u64) -> Signature {
        let server = pmirs_wire::Digest(self.key.fingerprint());
        let request = SignedRequest { server, sent_ms, method, path, body: EMPTY_BODY };
        self.identity.sign(Context::Request, &request.to_bytes())
    }

    pub fn create(&self, id: CollectionId, protection: Protection) -> CollectionRecord {
        let new = encode(&self.new_collection(id, protection)).unwrap();
        self.ask(Method::Post, "/v1/collections", &new).message()
    }

    pub fn new_collection(&self, id: CollectionId, protection: Protection) -> NewCollection {
        NewCollection {
            id,
            protection,
            veiled_dim: if protection == Protection::Veiled { DIM as u32 } else { 0 },
            header: Bytes(vec![7; 90]),
            grant: EpochGrant {
                epoch: 0,
                role: Role::Owner,
                granter: Bytes(self.identity.public().to_bytes()),
                grant: Bytes(vec![9; 1300]),
            },
        }
    }

    pub fn add(&self, id: CollectionId, items: Vec<NewItem>) -> Reply {
        let body = encode(&NewItems { items }).unwrap();
        self.ask(Method::Post, &format!("/v1/collections/{id}/items"), &body)
    }

    pub fn remove(&self, id: CollectionId, items: Vec<ItemId>) -> Reply {
        let body = encode(&RemoveItems { items }).unwrap();
        self.ask(Method::Post, &format!("/v1/collections/{id}/remove"), &body)
    }

    pub fn content(&self, id: CollectionId, item: ItemId) -> Reply {
        self.ask(Method::Get, &format!("/v1/collections/{id}/items/{item}/content"), &[])
    }

    pub fn changes(&self, id: CollectionId, after: u64) -> Changes {
        self.ask(Method::Get, &format!("/v1/collections/{id}/changes?after={after}"), &[]).message()
    }

    /// Every change after a number, page by page.
    pub fn all_changes(&self, id: CollectionId, mut after: u64) -> (Vec<Change>, u64) {
        let mut all = Vec::new();
        loop {
            let page = self.changes(id, after);
            all.extend(page.changes);
            after = page.seq;
            if !page.more {
                return (all, after);
            }
        }
    }

    pub fn search(&self, id: CollectionId, query: &VeiledVector, skip: u32, count: u32) -> Candidates {
        let search = Search { epoch: 0, query: query.clone(), skip, count, filter: Vec::new() };
        let path = format!("/v1/collections/{id}/search");
        self.ask(Method::Post, &path, &encode(&search).unwrap()).message()
    }

    pub fn show(&self, id: CollectionId) -> CollectionRecord {
        self.ask(Method::Get, &format!("/v1/collections/{id}"), &[]).message()
    }
}

/// The envelope needs fresh randomness at every call, also across tests of one process.
fn rand_seed() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub fn vector(rng: &mut impl Rng) -> VeiledVector {
    let scale = 0.01 + (rng.next_u32() % 100) as f32 * 0.001;
    VeiledVector { scale, values: Bytes(random(rng, DIM)) }
}

pub fn item(rng: &mut impl Rng, protection: Protection) -> NewItem {
    let content = 1 + rng.next_u32() as usize % 3000;
    NewItem {
        item: ItemId(random(rng, 16).try_into().unwrap()),
        epoch: 0,
        meta: Bytes(random(rng, 200)),
        embedding: Bytes(random(rng, 300)),
        veiled: (protection == Protection::Veiled).then(|| vector(rng)),
        content: Bytes(random(rng, content)),
        tokens: Vec::new(),
    }
}

pub fn stored(reply: &Reply) -> Stored {
    reply.message()
}
