//! Typed calls, with a session that is renewed when it ends.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use pmirs_crypto::{Context, DeviceKey, Identity, sha256};
use pmirs_wire::access::{AccessPage, SignedRequest, must_be_signed};
use pmirs_wire::account::{Challenge, ChallengeRequest, Invite, Login, Register, Session};
use pmirs_wire::collection::{CollectionList, CollectionRecord, NewCollection};
use pmirs_wire::device::{Device, DeviceList, DeviceLogin, NewDevice};
use pmirs_wire::envelope::{InnerRequest, Method};
use pmirs_wire::item::{Changes, ItemRecord, ItemRecords, Stored, WantedItems};
use pmirs_wire::log::{Append, Head, LogPage};
use pmirs_wire::pairing::{NewPairing, PairingState, PairingStep};
use pmirs_wire::people::Person;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::search::{Candidates, Search};
use pmirs_wire::{AccountId, Bytes, CollectionId, DeviceId, Digest, ItemId, Message, decode, encode};

use super::http::read_problem;
use super::transport::{Exchange, Transport, TransportError};
use crate::keys::altered_collection;
use crate::{VaultError, fresh};

/// A session is renewed this long before it ends, so that no request meets the end of it.
const RENEW_BEFORE_MS: u64 = 60_000;

/// Where the time of a request went.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timing {
    pub(crate) seal: Duration,
    pub(crate) network: Duration,
    pub(crate) open: Duration,
}

/// A cloud, seen from one account.
pub(crate) struct Remote {
    transport: Box<dyn Transport>,
    server: Digest,
    identity: Arc<Identity>,
    /// Whose sessions end with it; without one, the identity itself logs in.
    device: RwLock<Option<Arc<DeviceKey>>>,
    session: Mutex<Option<Session>>,
}

impl Remote {
    /// The server whose key has the fingerprint `server`; `session` may be one from an earlier run.
    pub(crate) fn new(
        transport: Box<dyn Transport>,
        server: Digest,
        identity: Arc<Identity>,
        session: Option<Session>,
    ) -> Self {
        Self { transport, server, identity, device: RwLock::default(), session: Mutex::new(session) }
    }

    /// The same account through another transport.
    pub(crate) fn wrap(mut self, wrap: impl FnOnce(Box<dyn Transport>) -> Box<dyn Transport>) -> Self {
        self.transport = wrap(self.transport);
        self
    }

    pub(crate) fn account(&self) -> AccountId {
        AccountId(self.identity.public().fingerprint())
    }

    /// Spends an invite on a new account, which others find by `name` if it has one.
    pub(crate) fn register(&self, code: &[u8], name: Option<&str>) -> Result<(), VaultError> {
        let signed = match name {
            Some(name) => Register::signed_bytes_named(&self.server, code, name),
            None => Register::signed_bytes(&self.server, code),
        };
        let register = Register {
            name: name.map(str::to_owned),
            code: Bytes(code.to_vec()),
            identity: Bytes(self.identity.public().to_bytes()),
            signature: Bytes(self.identity.sign(Context::Login, &signed).0.to_vec()),
        };
        self.ask(Method::Post, "/v1/accounts", None, encode(&register)?).map(drop)
    }

    /// From now on this device logs in.
    pub(crate) fn act_as(&self, device: Arc<DeviceKey>) {
        *self.device.write().unwrap_or_else(PoisonError::into_inner) = Some(device);
    }

    /// The fingerprint of the server's key.
    pub(crate) fn server(&self) -> Digest {
        self.server
    }

    /// Signs a fresh challenge for a fresh session, as a device where there is one.
    ///
    /// # Errors
    /// [`VaultError::DeviceRevoked`] where the device may not any more.
    pub(crate) fn login(&self) -> Result<Session, VaultError> {
        let account = self.account();
        let request = encode(&ChallengeRequest { account })?;
        let Challenge { nonce } = self.plain("/v1/login/challenge", request)?;
        let device = self.device.read().unwrap_or_else(PoisonError::into_inner).clone();
        let session: Session = if let Some(key) = device {
            let signed = DeviceLogin::signed_bytes(&self.server, &account, &nonce.0);
            let (device, signature) = (DeviceId(key.public().id()), key.sign(&signed));
            let signature = Bytes(signature.0.to_vec());
            let login = encode(&DeviceLogin { account, device, nonce, signature })?;
            self.plain("/v1/login/device", login).map_err(|error| match error.refusal() {
                Some(ProblemKind::Unauthenticated) => {
                    VaultError::DeviceRevoked { url: self.transport.name().to_owned() }
                }
                _ => error,
            })?
        } else {
            let signed = Login::signed_bytes(&self.server, &nonce.0);
            let signature = Bytes(self.identity.sign(Context::Login, &signed).0.to_vec());
            self.plain("/v1/login", encode(&Login { account, nonce, signature })?)?
        };
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        Ok(session)
    }

    /// The session to remember for the next run.
    pub(crate) fn session(&self) -> Option<Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn collections(&self) -> Result<Vec<CollectionRecord>, VaultError> {
        let list: CollectionList = self.authenticated(Method::Get, "/v1/collections", Vec::new())?;
        Ok(list.collections)
    }

    pub(crate) fn create_collection(&self, new: &NewCollection) -> Result<CollectionRecord, VaultError> {
        let record: CollectionRecord = self.authenticated(Method::Post, "/v1/collections", encode(new)?)?;
        let same = CollectionRecord {
            id: new.id,
            owner: self.account(),
            protection: new.protection,
            veiled_dim: new.veiled_dim,
            header: new.header.clone(),
            grants: vec![new.grant.clone()],
            ..record.clone()
        };
        if record != same {
            return Err(altered_collection(new.id, "record", &"it is not the one that was made"));
        }
        Ok(record)
    }

    pub(crate) fn collection(&self, id: CollectionId) -> Result<CollectionRecord, VaultError> {
        let record: CollectionRecord =
            self.authenticated(Method::Get, &format!("/v1/collections/{id}"), Vec::new())?;
        if record.id != id {
            return Err(altered_collection(id, "identifier", &"the server answers with another collection"));
        }
        Ok(record)
    }

    pub(crate) fn records(&self, id: CollectionId, items: &[ItemId]) -> Result<Vec<ItemRecord>, VaultError> {
        let wanted = encode(&WantedItems { items: items.to_vec() })?;
        let found: ItemRecords =
            self.authenticated(Method::Post, &format!("/v1/collections/{id}/records"), wanted)?;
        Ok(found.records)
    }

    pub(crate) fn delete_collection(&self, id: CollectionId) -> Result<Stored, VaultError> {
        self.authenticated(Method::Delete, &format!("/v1/collections/{id}"), Vec::new())
    }

    pub(crate) fn changes(&self, id: CollectionId, after: u64) -> Result<(Changes, Timing), VaultError> {
        self.timed(Method::Get, &format!("/v1/collections/{id}/changes?after={after}"), Vec::new())
    }

    pub(crate) fn item(&self, id: CollectionId, item: ItemId) -> Result<ItemRecord, VaultError> {
        self.authenticated(Method::Get, &format!("/v1/collections/{id}/items/{item}"), Vec::new())
    }

    pub(crate) fn content(&self, id: CollectionId, item: ItemId) -> Result<Vec<u8>, VaultError> {
        let path = format!("/v1/collections/{id}/items/{item}/content");
        self.with_session(Method::Get, &path, Vec::new()).map(|(content, _)| content)
    }

    pub(crate) fn search(
        &self,
        id: CollectionId,
        search: &Search,
    ) -> Result<(Candidates, Timing), VaultError> {
        self.timed(Method::Post, &format!("/v1/collections/{id}/search"), encode(search)?)
    }

    /// Where a collection's log ends.
    pub(crate) fn head(&self, id: CollectionId) -> Result<Head, VaultError> {
        self.authenticated(Method::Get, &format!("/v1/collections/{id}/head"), Vec::new())
    }

    /// Entries of a collection's log after a number, or from the first.
    pub(crate) fn log_page(&self, id: CollectionId, after: Option<u64>) -> Result<LogPage, VaultError> {
        let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
        self.authenticated(Method::Get, &format!("/v1/collections/{id}/log{query}"), Vec::new())
    }

    pub(crate) fn append(&self, id: CollectionId, append: &Append) -> Result<Head, VaultError> {
        self.authenticated(Method::Post, &format!("/v1/collections/{id}/log"), encode(append)?)
    }

    /// Who opened what, after a number; for owners.
    pub(crate) fn accesses(&self, id: CollectionId, after: u64) -> Result<AccessPage, VaultError> {
        let path = format!("/v1/collections/{id}/accesses?after={after}");
        self.authenticated(Method::Get, &path, Vec::new())
    }

    /// Collections that were shared with this account and wait for its answer.
    pub(crate) fn shares(&self) -> Result<Vec<CollectionRecord>, VaultError> {
        let list: CollectionList = self.authenticated(Method::Get, "/v1/shares", Vec::new())?;
        Ok(list.collections)
    }

    /// Who has a name; the caller checks the identity against what is pinned.
    pub(crate) fn person(&self, name: &str) -> Result<Person, VaultError> {
        self.authenticated(Method::Get, &format!("/v1/people/{name}"), Vec::new())
    }

    /// A new invite for one more person; for administrators.
    pub(crate) fn invite(&self) -> Result<Invite, VaultError> {
        self.authenticated(Method::Post, "/v1/invites", Vec::new())
    }

    pub(crate) fn devices(&self) -> Result<Vec<Device>, VaultError> {
        let list: DeviceList = self.authenticated(Method::Get, "/v1/devices", Vec::new())?;
        Ok(list.devices)
    }

    pub(crate) fn add_device(&self, certificate: Vec<u8>) -> Result<Device, VaultError> {
        let new = NewDevice { certificate: Bytes(certificate) };
        self.authenticated(Method::Post, "/v1/devices", encode(&new)?)
    }

    pub(crate) fn revoke_device(&self, id: DeviceId) -> Result<Device, VaultError> {
        self.authenticated(Method::Delete, &format!("/v1/devices/{id}"), Vec::new())
    }

    /// Opens a mailbox for a pairing; nobody is logged in yet.
    pub(crate) fn open_pairing(&self, commitment: Vec<u8>) -> Result<NewPairing, VaultError> {
        self.plain("/v1/pairings", encode(&PairingStep { message: Bytes(commitment) })?)
    }

    /// Writes a step of a pairing: the device that has the identity as this account, the new one as nobody.
    pub(crate) fn pairing_step(
        &self,
        code: &str,
        step: &str,
        message: Vec<u8>,
        as_account: bool,
    ) -> Result<PairingState, VaultError> {
        let path = format!("/v1/pairings/{code}/{step}");
        let body = encode(&PairingStep { message: Bytes(message) })?;
        if as_account { self.authenticated(Method::Post, &path, body) } else { self.plain(&path, body) }
    }

    /// What a pairing's mailbox holds so far.
    pub(crate) fn pairing(&self, code: &str) -> Result<PairingState, VaultError> {
        let path = format!("/v1/pairings/{code}");
        let (answer, _) = self.ask(Method::Get, &path, None, Vec::new())?;
        read(Method::Get, &path, &answer)
    }

    /// Forgets this account at the server, with everything that is its alone.
    pub(crate) fn delete_account(&self) -> Result<(), VaultError> {
        self.with_session(Method::Delete, "/v1/account", Vec::new()).map(drop)
    }

    /// One request with a session, and its answer.
    pub(crate) fn authenticated<A: Message>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<A, VaultError> {
        self.timed(method, path, body).map(|(answer, _)| answer)
    }

    fn timed<A: Message>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(A, Timing), VaultError> {
        let (answer, timing) = self.with_session(method, path, body)?;
        Ok((read(method, path, &answer)?, timing))
    }

    /// Asks with a session, making a new one first where the old one ends soon, or again where the server
    /// has forgotten it.
    fn with_session(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(Vec<u8>, Timing), VaultError> {
        let known = self.session().filter(|session| session.expires_ms > fresh::now_ms() + RENEW_BEFORE_MS);
        let Some(session) = known else {
            return self.ask(method, path, Some(self.login()?.token), body);
        };
        match self.ask(method, path, Some(session.token), body.clone()) {
            Err(error) if error.refusal() == Some(ProblemKind::Unauthenticated) => {
                self.ask(method, path, Some(self.login()?.token), body)
            }
            answer => answer,
        }
    }

    /// One request with no session, such as those that make one.
    fn plain<A: Message>(&self, path: &str, body: Vec<u8>) -> Result<A, VaultError> {
        let (answer, _) = self.ask(Method::Post, path, None, body)?;
        read(Method::Post, path, &answer)
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<Bytes>,
        body: Vec<u8>,
    ) -> Result<(Vec<u8>, Timing), VaultError> {
        let sent_ms = fresh::now_ms();
        let signature = self.signature(method, path, sent_ms, &body);
        let mut request =
            InnerRequest { sent_ms, method, path: path.to_owned(), token, body: Bytes(body), signature };
        let answer = match self.transport.exchange(&request) {
            // A server that has just started refuses what was sealed before, since it cannot know what was
            // sent then already; the same request, sealed now, passes.
            Err(TransportError::Refused(problem)) if problem.kind == ProblemKind::Unavailable => {
                request.sent_ms = fresh::now_ms();
                request.signature = self.signature(method, path, request.sent_ms, &request.body.0);
                self.transport.exchange(&request)
            }
            answer => answer,
        };
        let exchange = answer.map_err(|error| match error {
            TransportError::Unreachable(reason) => {
                VaultError::Unreachable { url: self.transport.name().to_owned(), reason }
            }
            TransportError::KeyChanged { got, pinned } => {
                VaultError::ServerKeyChanged { got: got.to_string(), pinned: pinned.to_string() }
            }
            TransportError::Malformed(reason) => bad_answer(method, path, &reason),
            TransportError::Refused(problem) => {
                VaultError::Refused { request: describe(method, path), problem }
            }
        })?;
        let Exchange { response, seal, network, open } = exchange;
        if (200..300).contains(&response.status) {
            return Ok((response.body.0, Timing { seal, network, open }));
        }
        let problem = read_problem(response.status, &response.body.0);
        Err(VaultError::Refused { request: describe(method, path), problem })
    }

    /// Signs what the server records: that this person opens an item.
    fn signature(&self, method: Method, path: &str, sent_ms: u64, body: &[u8]) -> Option<Bytes> {
        must_be_signed(method, path).then(|| {
            let body = Digest(sha256(body));
            let request = SignedRequest { server: self.server, sent_ms, method, path, body };
            Bytes(self.identity.sign(Context::Request, &request.to_bytes()).0.to_vec())
        })
    }
}

fn read<A: Message>(method: Method, path: &str, answer: &[u8]) -> Result<A, VaultError> {
    decode(answer).map_err(|error| bad_answer(method, path, &error))
}

fn bad_answer(method: Method, path: &str, reason: &dyn std::fmt::Display) -> VaultError {
    VaultError::BadAnswer { request: describe(method, path), reason: reason.to_string() }
}

fn describe(method: Method, path: &str) -> String {
    let verb = match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    };
    format!("{verb} {path}")
}
