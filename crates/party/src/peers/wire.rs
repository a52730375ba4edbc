//! One connection to another party, in whole messages.
//!
//! ```text
//! message = length of the rest(4, little endian) ‖ kind(1) ‖ body
//! kind 0: a PeerMessage of pmirs-wire;  kind 1: a frame of pmirs-mpc
//! ```
//!
//! A task reads and a task writes, so that sending never waits for the other side to read: in a round all three send
//! before they receive.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pmirs_crypto::PairKey;
use pmirs_mpc::{Role, frame};
use pmirs_wire::split::{PeerMessage, Refused};
use pmirs_wire::{Message, decode, encode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::time::timeout;

const MESSAGE: u8 = 0;
const FRAME: u8 = 1;
/// Bytes before the body.
const LABEL: usize = 5;
/// Bodies up to this size are sent together with their label.
const SMALL: usize = 16 << 10;
/// Messages that wait to be read; the sender's side of TCP waits for more room.
const WAITING: usize = 4;
/// Bytes that may wait to be sent before [`Wire::room`] waits.
const ROOM: usize = 32 << 20;

/// What came over a connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Between or around sessions.
    Message(Box<PeerMessage>),
    /// Of a session.
    Frame(Vec<u8>),
    /// Neither: the peer sent what no honest party sends.
    Malformed,
}

/// A connection to another party.
pub(crate) struct Wire {
    peer: Role,
    /// The secret that both ends, and nobody else, derive common randomness from.
    secret: PairKey,
    outbox: UnboundedSender<Outgoing>,
    queue: Arc<Queue>,
    inbox: Receiver<Incoming>,
    /// What came while this side waited for somebody else.
    early: VecDeque<Incoming>,
    /// Whether it served a session before: it may have died since.
    pub(crate) used: bool,
}

impl Wire {
    pub(crate) fn new<S>(peer: Role, secret: PairKey, stream: S) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, writer) = tokio::io::split(stream);
        let (outbox, queued) = unbounded_channel();
        let queue = Arc::new(Queue::default());
        let (arrived, inbox) = channel(WAITING);
        tokio::spawn(write(writer, queued, Arc::clone(&queue)));
        tokio::spawn(read(reader, arrived));
        Self { peer, secret, outbox, queue, inbox, early: VecDeque::new(), used: false }
    }

    pub(crate) fn peer(&self) -> Role {
        self.peer
    }

    /// The key of the common randomness with this peer.
    pub(crate) fn pair_key(&self) -> PairKey {
        PairKey::from_secret(self.secret.expose_secret())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.outbox.is_closed() || (self.inbox.is_closed() && self.inbox.is_empty())
    }

    /// Sends a message; `false` when the connection is gone.
    pub(crate) fn send(&self, message: &PeerMessage) -> bool {
        let Ok(body) = encode(message) else { return false };
        self.push(Outgoing::new(MESSAGE, body))
    }

    /// Sends a frame; `false` when the connection is gone.
    pub(crate) fn send_frame(&self, frame: Vec<u8>) -> bool {
        self.push(Outgoing::new(FRAME, frame))
    }

    /// Waits until little is left to send: for whoever sends more than memory should hold.
    pub(crate) async fn room(&self) {
        while !self.is_closed() && self.queue.bytes.load(Ordering::Acquire) > ROOM {
            // Whoever wakes up too late looks again.
            let _ = timeout(Duration::from_millis(50), self.queue.written.notified()).await;
        }
    }

    fn push(&self, outgoing: Outgoing) -> bool {
        self.queue.bytes.fetch_add(outgoing.body.len(), Ordering::AcqRel);
        self.outbox.send(outgoing).is_ok()
    }

    /// What comes next; nothing when the connection is gone.
    pub(crate) async fn next(&mut self) -> Option<Incoming> {
        match self.early.pop_front() {
            Some(incoming) => Some(incoming),
            None => self.inbox.recv().await,
        }
    }

    /// Waits until the peer ends the session, and says why it did; whatever else it sends meanwhile is kept for later. May
    /// be given up at any moment.
    pub(crate) async fn stopped(&mut self) -> Refused {
        loop {
            // An honest peer, which waits for this side, does not send more.
            if self.early.len() >= WAITING {
                return std::future::pending().await;
            }
            match self.inbox.recv().await {
                Some(Incoming::Message(message)) => match *message {
                    PeerMessage::Stop(refused) => return refused,
                    message => self.early.push_back(Incoming::Message(Box::new(message))),
                },
                Some(other) => self.early.push_back(other),
                // That it is gone is noticed by whoever needs something of it.
                None => return std::future::pending().await,
            }
        }
    }

    /// The next message within a deadline, or why there is none.
    pub(crate) async fn message(&mut self, within: Duration) -> Result<PeerMessage, Missing> {
        match timeout(within, self.next()).await {
            Err(_) => Err(Missing::Silent),
            Ok(None) => Err(Missing::Closed),
            Ok(Some(Incoming::Message(message))) => Ok(*message),
            Ok(Some(Incoming::Frame(_) | Incoming::Malformed)) => Err(Missing::Malformed),
        }
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire(to {})", self.peer)
    }
}

/// Why no message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Silent,
    Closed,
    Malformed,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Silent => "sent nothing within its deadline",
            Self::Closed => "ended its connection",
            Self::Malformed => "sent what no party sends here",
        })
    }
}

/// A message on its way: large ones are not copied to put a few bytes before them.
struct Outgoing {
    /// Length and kind.
    label: [u8; LABEL],
    body: Vec<u8>,
}

impl Outgoing {
    fn new(kind: u8, body: Vec<u8>) -> Self {
        let [a, b, c, d] = (body.len() as u32 + 1).to_le_bytes();
        Self { label: [a, b, c, d, kind], body }
    }

    async fn write<W: AsyncWrite + Unpin>(&self, writer: &mut W, room: &mut Vec<u8>) -> io::Result<()> {
        if self.body.len() > SMALL {
            writer.write_all(&self.label).await?;
            return writer.write_all(&self.body).await;
        }
        // In one record of TLS.
        room.clear();
        room.extend_from_slice(&self.label);
        room.extend_from_slice(&self.body);
        writer.write_all(room).await
    }
}

/// How much waits to be sent.
#[derive(Default)]
struct Queue {
    bytes: AtomicUsize,
    written: Notify,
}

async fn write<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut queued: UnboundedReceiver<Outgoing>,
    queue: Arc<Queue>,
) {
    let mut room = Vec::new();
    while let Some(first) = queued.recv().await {
        let mut sent = 0;
        let all = async {
            // What else waits by now goes along.
            let mut next = Some(first);
            while let Some(outgoing) = next {
                outgoing.write(&mut writer, &mut room).await?;
                sent += outgoing.body.len();
                next = queued.try_recv().ok();
            }
            writer.flush().await
        };
        if all.await.is_err() {
            return;
        }
        queue.bytes.fetch_sub(sent, Ordering::AcqRel);
        queue.written.notify_waiters();
    }
    let _ = writer.shutdown().await;
}

async fn read<R: AsyncRead + Unpin>(mut reader: R, arrived: Sender<Incoming>) {
    loop {
        let Ok(incoming) = read_one(&mut reader).await else { return };
        let last = matches!(incoming, Incoming::Malformed);
        if arrived.send(incoming).await.is_err() || last {
            return;
        }
    }
}

async fn read_one<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<Incoming> {
    let length = reader.read_u32_le().await? as usize;
    let kind = reader.read_u8().await?;
    let most = match kind {
        MESSAGE => PeerMessage::MAX_BYTES,
        FRAME => frame::HEADER + frame::MAX_PAYLOAD,
        _ => return Ok(Incoming::Malformed),
    };
    let Some(length) = length.checked_sub(1).filter(|length| *length <= most) else {
        return Ok(Incoming::Malformed);
    };
    // Memory grows with what comes, not with what is announced.
    let mut body = Vec::with_capacity(length.min(1 << 20));
    reader.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(match kind {
        FRAME => Incoming::Frame(body),
        _ => decode(&body).map_or(Incoming::Malformed, |message| Incoming::Message(Box::new(message))),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_bytes(bytes: &[u8]) -> io::Result<Incoming> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(read_one(&mut &bytes[..]))
    }

    #[test]
    fn what_is_sent_is_read_and_a_length_that_lies_costs_no_memory() {
        let confirm = PeerMessage::Confirm { session: pmirs_wire::Digest([6; 32]) };
        let labelled = |kind, body: &[u8]| {
            let Outgoing { label, body } = Outgoing::new(kind, body.to_vec());
            [label.as_slice(), &body].concat()
        };
        let sent = labelled(MESSAGE, &encode(&confirm).unwrap());
        assert!(matches!(read_bytes(&sent).unwrap(), Incoming::Message(message) if *message == confirm));
        assert!(
            matches!(read_bytes(&labelled(FRAME, b"frame")).unwrap(), Incoming::Frame(frame) if frame == b"frame")
        );
        // 256 MiB that never come; and more than any frame has.
        assert!(read_bytes(&[0, 0, 0, 16, FRAME, 1]).is_err());
        assert!(matches!(read_bytes(&[255, 255, 255, 255, FRAME, 1]).unwrap(), Incoming::Malformed));
        assert!(matches!(read_bytes(&[0, 0, 0, 0, FRAME]).unwrap(), Incoming::Malformed));
        assert!(matches!(read_bytes(&[1, 0, 0, 0, 9]).unwrap(), Incoming::Malformed));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn noise_is_no_message(mut bytes in proptest::collection::vec(any::<u8>(), 5..200)) {
            bytes[1..4].fill(0);
            bytes[4] %= 3;
            if let Ok(Incoming::Message(_)) = read_bytes(&bytes) {
                prop_assert!(bytes[4] == MESSAGE);
            }
        }
    }
}
