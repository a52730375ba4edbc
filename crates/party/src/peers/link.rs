//! The two connections of a session, as the protocols of `pmirs-mpc` see them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pmirs_mpc::{Link, LinkFault, Side, Step};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::{Incoming, Wire};

/// Where a frame says its step: after version, session and sender.
const STEP_AT: usize = 1 + 32 + 1;

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

/// Both connections while a protocol runs over them, which waits at most so long for a frame.
///
/// A party that is late because another one keeps it waiting must not be blamed: after the deadline there is half as
/// much time again for it to say so, by an abort that names the other one.
pub(crate) struct PeerLink {
    ends: Arc<Mutex<Ends>>,
    runtime: Handle,
    round_time: Duration,
    over: Instant,
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
    Hang(Duration),
}

impl PeerLink {
    pub(crate) fn new(ends: Arc<Mutex<Ends>>, runtime: Handle, round_time: Duration, over: Instant) -> Self {
        Self {
            ends,
            runtime,
            round_time,
            over,
            #[cfg(test)]
            tamper: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn tampering(mut self, tamper: Option<Tamper>) -> Self {
        self.tamper = tamper;
        self
    }

    /// What comes next from a side within so long.
    fn next(&self, from: Side, within: Duration) -> Result<Vec<u8>, LinkFault> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = ends.at(from);
        match self.runtime.block_on(async { timeout(within, wire.next()).await }) {
            Err(_) => Err(LinkFault::Silent),
            Ok(None) => Err(LinkFault::Closed),
            Ok(Some(Incoming::Frame(frame))) => Ok(frame),
            Ok(Some(Incoming::Message(_) | Incoming::Malformed)) => Err(LinkFault::Malformed),
        }
    }

    fn send_now(&self, to: Side, frame: &[u8]) -> Result<(), LinkFault> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.at(to).send_frame(frame) { Ok(()) } else { Err(LinkFault::Closed) }
    }
}

impl Link for PeerLink {
    fn send(&mut self, to: Side, frame: Vec<u8>) -> Result<(), LinkFault> {
        #[cfg(test)]
        if let Some(tamper) = &self.tamper {
            match tamper(to, frame) {
                Fate::Send(frames) => return frames.iter().try_for_each(|frame| self.send_now(to, frame)),
                Fate::Hang(time) => {
                    std::thread::sleep(time);
                    return Ok(());
                }
            }
        }
        self.send_now(to, &frame)
    }

    fn receive(&mut self, from: Side) -> Result<Vec<u8>, LinkFault> {
        let left = self.over.saturating_duration_since(Instant::now());
        match self.next(from, self.round_time.min(left)) {
            Err(LinkFault::Silent) => {}
            came => return came,
        }
        let late = self.next(from, self.round_time / 2)?;
        let is_abort = late.get(STEP_AT) == Some(&(Step::Abort as u8));
        if is_abort { Ok(late) } else { Err(LinkFault::Silent) }
    }
}
