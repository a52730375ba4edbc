//! Three parties in one process: links over channels.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::link::{Link, LinkFault};
use crate::role::Side;

/// One party's channels to both neighbours.
pub struct MemoryLink {
    to_previous: Sender<Vec<u8>>,
    to_next: Sender<Vec<u8>>,
    from_previous: Receiver<Vec<u8>>,
    from_next: Receiver<Vec<u8>>,
    deadline: Duration,
}

/// Three links that are connected in a ring, each waiting at most `deadline` for a frame.
pub fn ring(deadline: Duration) -> [MemoryLink; 3] {
    let [(to_1, from_0), (to_2, from_1), (to_0, from_2)] = [(); 3].map(|()| channel());
    let [(back_to_2, back_from_0), (back_to_0, back_from_1), (back_to_1, back_from_2)] =
        [(); 3].map(|()| channel());
    let link = |to_previous, to_next, from_previous, from_next| MemoryLink {
        to_previous,
        to_next,
        from_previous,
        from_next,
        deadline,
    };
    [
        link(back_to_2, to_1, from_2, back_from_1),
        link(back_to_0, to_2, from_0, back_from_2),
        link(back_to_1, to_0, from_1, back_from_0),
    ]
}

impl Link for MemoryLink {
    fn send(&mut self, to: Side, frame: Vec<u8>) -> Result<(), LinkFault> {
        let channel = match to {
            Side::Previous => &self.to_previous,
            Side::Next => &self.to_next,
        };
        channel.send(frame).map_err(|_| LinkFault::Closed)
    }

    fn receive(&mut self, from: Side, _most: usize) -> Result<Vec<u8>, LinkFault> {
        let channel = match from {
            Side::Previous => &self.from_previous,
            Side::Next => &self.from_next,
        };
        channel.recv_timeout(self.deadline).map_err(|error| match error {
            RecvTimeoutError::Timeout => LinkFault::Silent,
            RecvTimeoutError::Disconnected => LinkFault::Closed,
        })
    }
}
