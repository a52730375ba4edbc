//! Connections to the two others: each pair's party with the smaller number connects, the other one accepts.
//!
//! A connection serves one session at a time and is kept for the next one. One that carried an error is closed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pmirs_crypto::{PairKey, PartyKey, PartyPublicKey};
use pmirs_mpc::Role;
use pmirs_wire::Digest;
use pmirs_wire::split::{Opening, PeerMessage, Refused, Trio};
use rustls::ConnectionCommon;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Incoming, Missing, Wire, tls};
use crate::parties;

const EXPORTER: &[u8] = b"EXPORTER-pmirs-party-pair";
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that are kept for later, per peer.
const KEPT: usize = 16;
/// Sessions that others opened and nobody asked for here yet.
const EARLY: usize = 256;
/// Orders that this party refused of late.
const REFUSED: usize = 256;
/// Accepted connections at a time; there are two honest peers.
const ACCEPTED: usize = 256;

/// All connections of one party.
pub(crate) struct Mesh {
    role: Role,
    trio: Trio,
    connectors: [Option<TlsConnector>; 3],
    acceptor: TlsAcceptor,
    kept: [Mutex<Vec<Wire>>; 3],
    meetings: Mutex<Meetings>,
    meeting_time: Duration,
}

/// Sessions at the party that accepts.
#[derive(Default)]
struct Meetings {
    open: HashMap<(Digest, Role), Meeting>,
    /// Orders that came here and were refused: whoever opens a session of one is told so at once. The latest last.
    refused: VecDeque<(Digest, Refused)>,
}

/// Why a peer was not met.
#[derive(Debug)]
pub(crate) enum NotMet {
    /// It refused the order.
    Refused(Box<Refused>),
    /// It is away, late, or says what it should not.
    Missing(String),
}

impl From<String> for NotMet {
    fn from(why: String) -> Self {
        Self::Missing(why)
    }
}

impl From<&str> for NotMet {
    fn from(why: &str) -> Self {
        Self::Missing(why.to_owned())
    }
}

const LATE: &str = "did not join: the order did not come to it in time";

/// A session at the party that accepts.
enum Meeting {
    /// The peer was faster.
    Opened(Box<(Wire, Opening)>),
    /// This party waits for the peer.
    Awaited(oneshot::Sender<(Wire, Opening)>),
}

impl Mesh {
    pub(crate) fn new(
        role: Role,
        trio: &Trio,
        key: &PartyKey,
        meeting_time: Duration,
    ) -> Result<Self, rustls::Error> {
        let public = |peer: Role| {
            let signs = &parties::entry(trio, peer).signs.0;
            PartyPublicKey::from_bytes(signs).map_err(|error| rustls::Error::General(error.to_string()))
        };
        let smaller: Vec<PartyPublicKey> =
            Role::ALL.into_iter().filter(|peer| *peer < role).map(public).collect::<Result<_, _>>()?;
        let connector = |peer: Role| -> Result<Option<TlsConnector>, rustls::Error> {
            if peer <= role {
                return Ok(None);
            }
            Ok(Some(TlsConnector::from(Arc::new(tls::client(key, &public(peer)?)?))))
        };
        let [first, second, third] = Role::ALL.map(connector);
        Ok(Self {
            role,
            trio: trio.clone(),
            connectors: [first?, second?, third?],
            acceptor: TlsAcceptor::from(Arc::new(tls::server(key, &smaller)?)),
            kept: Default::default(),
            meetings: Mutex::default(),
            meeting_time,
        })
    }

    /// Begins a session with a peer of a larger number, and returns its opening.
    ///
    /// A kept connection may have died since; then another one is made, once.
    pub(crate) async fn open(
        &self,
        peer: Role,
        opening: &Opening,
        fresh: bool,
    ) -> Result<(Wire, Opening), NotMet> {
        let mut kept = if fresh { None } else { self.take_kept(peer) };
        loop {
            let was_kept = kept.is_some();
            let mut wire = match kept.take() {
                Some(wire) => wire,
                None => self.connect(peer).await?,
            };
            let sent = wire.send(&PeerMessage::Open(opening.clone()));
            let answer = if sent { wire.message(self.meeting_time).await } else { Err(Missing::Closed) };
            match answer {
                Ok(PeerMessage::Open(theirs)) if theirs.order == opening.order => return Ok((wire, theirs)),
                Ok(PeerMessage::Stop(refused)) => return Err(NotMet::Refused(Box::new(refused))),
                Ok(_) => return Err("opened another session".into()),
                Err(Missing::Silent) => return Err(LATE.into()),
                Err(_) if was_kept => {}
                Err(missing) => return Err(missing.to_string().into()),
            }
        }
    }

    /// Waits for a peer of a smaller number to begin a session, and joins it.
    pub(crate) async fn join(&self, peer: Role, opening: &Opening) -> Result<(Wire, Opening), NotMet> {
        let key = (opening.order, peer);
        let waiting = {
            let mut meetings = self.meetings();
            match meetings.open.entry(key) {
                Entry::Occupied(entry) => match entry.remove() {
                    Meeting::Opened(met) => Ok(*met),
                    Meeting::Awaited(_) => return Err("the session is open already".into()),
                },
                Entry::Vacant(entry) => {
                    let (sender, receiver) = oneshot::channel();
                    entry.insert(Meeting::Awaited(sender));
                    Err(receiver)
                }
            }
        };
        let (wire, theirs) = match waiting {
            Ok(met) => met,
            Err(receiver) => {
                // Whoever stops waiting earlier leaves no entry behind.
                let _awaited = Awaited { mesh: self, key };
                let met = timeout(self.meeting_time, receiver).await;
                met.map_err(|_| NotMet::from(LATE))?.map_err(|_| NotMet::from(LATE))?
            }
        };
        if wire.send(&PeerMessage::Open(opening.clone())) {
            Ok((wire, theirs))
        } else {
            Err("ended its connection".into())
        }
    }

    /// Has peers that open a session of this order know at once that it is refused here. Those of a smaller number open
    /// it; one of a larger number waits until its deadline, and a client that was refused does not wait for it.
    pub(crate) fn refuse(&self, order: Digest, refused: &Refused) {
        let mut meetings = self.meetings();
        for peer in Role::ALL {
            if matches!(meetings.open.get(&(order, peer)), Some(Meeting::Opened(..)))
                && let Some(Meeting::Opened(met)) = meetings.open.remove(&(order, peer))
            {
                met.0.send(&PeerMessage::Stop(refused.clone()));
            }
        }
        if meetings.refused.len() >= REFUSED {
            meetings.refused.pop_front();
        }
        meetings.refused.push_back((order, refused.clone()));
    }

    /// Keeps a connection for the next session.
    pub(crate) fn give_back(self: &Arc<Self>, mut wire: Wire) {
        wire.used = true;
        if wire.peer() < self.role {
            tokio::spawn(Arc::clone(self).serve(wire));
            return;
        }
        let mut kept = self.kept_of(wire.peer());
        if kept.len() < KEPT && !wire.is_closed() {
            kept.push(wire);
        }
    }

    /// Waits until an accepted connection begins a session, and hands it to whoever waits.
    async fn serve(self: Arc<Self>, mut wire: Wire) {
        let Some(Incoming::Message(message)) = wire.next().await else { return };
        let PeerMessage::Open(opening) = *message else { return };
        let key = (opening.order, wire.peer());
        let mut meetings = self.meetings();
        let refused = meetings.refused.iter().rev().find(|(order, _)| *order == opening.order);
        if let Some((_, refused)) = refused {
            wire.send(&PeerMessage::Stop(refused.clone()));
            return;
        }
        match meetings.open.remove(&key) {
            Some(Meeting::Awaited(waiting)) => {
                let _ = waiting.send((wire, opening));
            }
            None if meetings.open.len() < EARLY => {
                meetings.open.insert(key, Meeting::Opened(Box::new((wire, opening))));
                drop(meetings);
                let mesh = Arc::clone(&self);
                tokio::spawn(async move {
                    tokio::time::sleep(mesh.meeting_time).await;
                    let mut meetings = mesh.meetings();
                    if matches!(meetings.open.get(&key), Some(Meeting::Opened(..))) {
                        meetings.open.remove(&key);
                    }
                });
            }
            Some(Meeting::Opened(..)) | None => {}
        }
    }

    async fn connect(&self, peer: Role) -> Result<Wire, String> {
        let entry = parties::entry(&self.trio, peer);
        let Some(connector) = self.connectors.get(peer.index()).and_then(Option::as_ref) else {
            return Err("is not connected to from here".to_owned());
        };
        let connect = async {
            let stream = TcpStream::connect(entry.peer.as_str()).await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            let name = tls::nobody().map_err(|error| error.to_string())?;
            let stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
            let secret = exported(stream.get_ref().1).map_err(|error| error.to_string())?;
            Ok(Wire::new(peer, secret, stream))
        };
        let connected = timeout(HANDSHAKE, connect).await.map_err(|_| "did not answer in time".to_owned());
        connected.flatten().map_err(|error: String| format!("cannot be reached: {error}"))
    }

    async fn accept(self: Arc<Self>, stream: TcpStream) {
        let accepted = timeout(HANDSHAKE, async {
            stream.set_nodelay(true).ok()?;
            let stream = self.acceptor.accept(stream).await.ok()?;
            let (_, connection) = stream.get_ref();
            let shown = connection.peer_certificates()?.first()?.clone();
            let peer = Role::ALL.into_iter().find(|peer| {
                let signs = &parties::entry(&self.trio, *peer).signs.0;
                PartyPublicKey::from_bytes(signs).is_ok_and(|key| key.spki().as_slice() == shown.as_ref())
            })?;
            let secret = exported(connection).ok()?;
            Some(Wire::new(peer, secret, stream))
        });
        if let Ok(Some(wire)) = accepted.await {
            self.serve(wire).await;
        } else {
            tracing::warn!("a connection to the peers' address was no party's");
        }
    }

    fn take_kept(&self, peer: Role) -> Option<Wire> {
        let mut kept = self.kept_of(peer);
        std::iter::from_fn(|| kept.pop()).find(|wire| !wire.is_closed())
    }

    fn kept_of(&self, peer: Role) -> MutexGuard<'_, Vec<Wire>> {
        let [first, second, third] = &self.kept;
        let kept = match peer {
            Role::First => first,
            Role::Second => second,
            Role::Third => third,
        };
        kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meetings(&self) -> MutexGuard<'_, Meetings> {
        self.meetings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This party waits for a peer; the entry that says so goes with this value.
struct Awaited<'a> {
    mesh: &'a Mesh,
    key: (Digest, Role),
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let mut meetings = self.mesh.meetings();
        if matches!(meetings.open.get(&self.key), Some(Meeting::Awaited(_))) {
            meetings.open.remove(&self.key);
        }
    }
}

/// Accepts connections until it is dropped.
pub(crate) async fn run(mesh: Arc<Mesh>, listener: TcpListener) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(ACCEPTED));
    loop {
        let (stream, from): (TcpStream, SocketAddr) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // The handshake of a stranger takes a place for at most its deadline.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%from, "too many connections to the peers' address");
            continue;
        };
        let mesh = Arc::clone(&mesh);
        tokio::spawn(async move {
            let _place = place;
            mesh.accept(stream).await;
        });
    }
}

fn exported<Data>(connection: &ConnectionCommon<Data>) -> Result<PairKey, rustls::Error> {
    connection.export_keying_material([0; 32], EXPORTER, None).map(|secret| PairKey::from_secret(&secret))
}
