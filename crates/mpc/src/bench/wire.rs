//! Links that are as slow as a network.

use std::time::{Duration, Instant};

use crate::link::{Link, LinkFault};
use crate::memory::MemoryLink;
use crate::role::Side;

/// How slow the connection between two parties is, in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// From the last byte sent to the last byte received.
    pub latency: Duration,
    /// Bytes that are sent in a second; none for a link that takes no time for them.
    pub bytes_per_second: Option<u64>,
}

impl Wire {
    /// As fast as memory.
    pub const MEMORY: Self = Self { latency: Duration::ZERO, bytes_per_second: None };
    /// Between distant sites: 20 ms one way, 100 Mbit/s.
    pub const DISTANT: Self =
        Self { latency: Duration::from_millis(20), bytes_per_second: Some(100_000_000 / 8) };

    pub(super) fn around(self, links: [MemoryLink; 3]) -> [Box<dyn Link>; 3] {
        let begin = Instant::now();
        links.map(|link| -> Box<dyn Link> {
            if self == Self::MEMORY {
                Box::new(link)
            } else {
                Box::new(Slow { link, wire: self, begin, busy_until: [Duration::ZERO; 2] })
            }
        })
    }
}

/// Bytes in front of a frame: when it arrives, in nanoseconds since the beginning of the run.
const STAMP: usize = 8;

struct Slow {
    link: MemoryLink,
    wire: Wire,
    begin: Instant,
    /// Until when frames to the previous and the next party are being sent.
    busy_until: [Duration; 2],
}

impl Link for Slow {
    fn send(&mut self, to: Side, frame: Vec<u8>) -> Result<(), LinkFault> {
        let sending = self
            .wire
            .bytes_per_second
            .map_or(Duration::ZERO, |speed| Duration::from_secs_f64(frame.len() as f64 / speed as f64));
        let [previous, next] = &mut self.busy_until;
        let busy_until = if to == Side::Previous { previous } else { next };
        *busy_until = self.begin.elapsed().max(*busy_until) + sending;
        let arrival = (*busy_until + self.wire.latency).as_nanos() as u64;
        self.link.send(to, [&arrival.to_le_bytes()[..], &frame].concat())
    }

    fn receive(&mut self, from: Side, most: usize) -> Result<Vec<u8>, LinkFault> {
        let mut frame = self.link.receive(from, most + STAMP)?;
        let arrival = frame.first_chunk::<STAMP>().ok_or(LinkFault::Malformed)?;
        let arrival = Duration::from_nanos(u64::from_le_bytes(*arrival));
        std::thread::sleep(arrival.saturating_sub(self.begin.elapsed()));
        Ok(frame.split_off(STAMP))
    }
}
