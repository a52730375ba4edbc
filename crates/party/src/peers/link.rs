//! The two connections of a session, as the protocols of `pmirs-mpc` see them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pmirs_mpc::{Link, LinkFault, Side, Step};
use pmirs_wire::split::PeerMessage;
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
/// A party that is late because another one keeps it waiting must not be blamed. So whoever has waited for the time of a
/// round tells both others that it is there; it then gives half as much time again for such a word to come from the one it
/// waits for, and if it came, the time of a whole round for what follows: a frame after all, or an abort that names the
/// one who is at fault.
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
            #[cfg(test)]
            tamper: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn tampering(mut self, tamper: Option<Tamper>) -> Self {
        self.tamper = tamper;
        self
    }

    /// The next frame from a side within so long. Words of waiting that come before it are noted.
    fn next(&self, from: Side, within: Duration, waits: &mut bool) -> Result<Vec<u8>, LinkFault> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = ends.at(from);
        let frame = async {
            loop {
                match wire.next().await {
                    None => return Err(LinkFault::Closed),
                    Some(Incoming::Frame(frame)) => return Ok(frame),
                    Some(Incoming::Message(message)) if matches!(*message, PeerMessage::Waiting { .. }) => {
                        *waits = true;
                    }
                    Some(Incoming::Message(_) | Incoming::Malformed) => return Err(LinkFault::Malformed),
                }
            }
        };
        self.runtime.block_on(async { timeout(within, frame).await }).unwrap_or(Err(LinkFault::Silent))
    }

    /// Tells both others that this party is there, and for whom it waits.
    fn tell_waiting(&self, side: Side) {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let wires = [&ends.previous, &ends.next];
        let [previous, next] = wires.map(|wire| wire.peer().index() as u8);
        let place = if side == Side::Previous { previous } else { next };
        for wire in wires {
            wire.send(&PeerMessage::Waiting { place });
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
                Fate::Late(time, frame) => {
                    std::thread::sleep(time);
                    return self.send_now(to, &frame);
                }
            }
        }
        self.send_now(to, &frame)
    }

    fn receive(&mut self, from: Side) -> Result<Vec<u8>, LinkFault> {
        let left = self.over.saturating_duration_since(Instant::now());
        let mut waits = false;
        match self.next(from, self.round_time.min(left), &mut waits) {
            Err(LinkFault::Silent) => self.tell_waiting(from),
            came => return came,
        }
        if !waits {
            match self.next(from, self.round_time / 2, &mut waits) {
                // Too late, unless it is an abort.
                Ok(frame) if waits || is_abort(&frame) => return Ok(frame),
                Ok(_) => return Err(LinkFault::Silent),
                Err(LinkFault::Silent) if waits => {}
                Err(fault) => return Err(fault),
            }
        }
        self.next(from, self.round_time, &mut waits)
    }
}

fn is_abort(frame: &[u8]) -> bool {
    frame.get(STEP_AT) == Some(&(Step::Abort as u8))
}
