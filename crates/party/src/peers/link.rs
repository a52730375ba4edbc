//! The two connections of a session, as the protocols of `pmirs-mpc` see them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pmirs_mpc::{Link, LinkFault, Side, Step};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::{Incoming, Wire};

/// The connections of a session: to the previous and to the next party.
pub(crate) struct Ends {
    pub(crate) previous: Wire,
    pub(crate) next: Wire,
}

impl Ends {
    fn at(&mut self, side: Side) -> &mut Wire {
        match side {
            Side::Previous => &mut self.previous,
            Side::Next => &mut self.next,
        }
    }
}

/// Where a frame says its step: after version, session and sender.
const STEP_AT: usize = 1 + 32 + 1;

/// Both connections while a protocol runs over them, which waits at most so long for a frame.
///
/// Whoever aborts tells both others by itself, so an abort that was heard is not passed on: an echo would only let the
/// accused accuse, and the third party could not tell whom to believe.
pub(crate) struct PeerLink {
    ends: Arc<Mutex<Ends>>,
    runtime: Handle,
    round_time: Duration,
    over: Instant,
    /// Whether an abort was heard.
    heard: bool,
    #[cfg(test)]
    tamper: Option<Tamper>,
}

/// What a hostile party of the tests does with its frames, which it numbers.
#[cfg(test)]
pub(crate) type Tamper = Arc<dyn Fn(Side, Vec<u8>) -> Fate + Send + Sync>;

/// What becomes of a frame.
#[cfg(test)]
pub(crate) enum Fate {
    Send(Vec<Vec<u8>>),
    /// The party does nothing for so long, and then as if it had been sent.
    Hang(Duration),
    /// The party does nothing for so long, then sends it.
    Late(Duration, Vec<u8>),
}

impl PeerLink {
    pub(crate) fn new(ends: Arc<Mutex<Ends>>, runtime: Handle, round_time: Duration, over: Instant) -> Self {
        Self {
            ends,
            runtime,
            round_time,
            over,
            heard: false,
            #[cfg(test)]
            tamper: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn tampering(mut self, tamper: Option<Tamper>) -> Self {
        self.tamper = tamper;
        self
    }

    fn send_now(&self, to: Side, frame: Vec<u8>) -> Result<(), LinkFault> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.at(to).send_frame(frame) { Ok(()) } else { Err(LinkFault::Closed) }
    }
}

impl Link for PeerLink {
    fn send(&mut self, to: Side, frame: Vec<u8>) -> Result<(), LinkFault> {
        if self.heard && is_abort(&frame) {
            return Ok(());
        }
        #[cfg(test)]
        if let Some(tamper) = &self.tamper {
            match tamper(to, frame) {
                Fate::Send(frames) => {
                    return frames.into_iter().try_for_each(|frame| self.send_now(to, frame));
                }
                Fate::Hang(time) => {
                    std::thread::sleep(time);
                    return Ok(());
                }
                Fate::Late(time, frame) => {
                    std::thread::sleep(time);
                    return self.send_now(to, frame);
                }
            }
        }
        self.send_now(to, frame)
    }

    /// What is longer than it may be comes through to whoever compares it with what must come, and so names its sender; no
    /// more memory is taken than bytes came.
    fn receive(&mut self, from: Side, _most: usize) -> Result<Vec<u8>, LinkFault> {
        let within = self.round_time.min(self.over.saturating_duration_since(Instant::now()));
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = ends.at(from);
        match self.runtime.block_on(async { timeout(within, wire.next()).await }) {
            Err(_) => Err(LinkFault::Silent),
            Ok(None) => Err(LinkFault::Closed),
            Ok(Some(Incoming::Frame(frame))) => {
                self.heard |= is_abort(&frame);
                Ok(frame)
            }
            Ok(Some(Incoming::Message(_) | Incoming::Malformed)) => Err(LinkFault::Malformed),
        }
    }
}

fn is_abort(frame: &[u8]) -> bool {
    frame.get(STEP_AT) == Some(&(Step::Abort as u8))
}
