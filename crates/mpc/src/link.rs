//! How a party reaches the two others: the only thing that this crate asks of its surroundings.

use crate::role::Side;

/// Frames to and from both neighbours, in order. Memory, TCP and a hostile peer are interchangeable behind it.
pub trait Link: Send {
    /// Sends a frame. It must not wait for the other side to read: in a round all three send before they receive.
    ///
    /// # Errors
    /// When the connection is gone.
    fn send(&mut self, to: Side, frame: Vec<u8>) -> Result<(), LinkFault>;

    /// Waits for the next frame, at most until the deadline of a round (who is silent is asked once
    /// more, so that a party gives up after two). It has at most `most` payload bytes; whoever reads
    /// a stream checks the header for that ([`payload_length`](crate::frame::payload_length)) before taking memory.
    ///
    /// # Errors
    /// When nothing came in time, the connection is gone, or a header says more.
    fn receive(&mut self, from: Side, most: usize) -> Result<Vec<u8>, LinkFault>;
}

/// Why a link has no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFault {
    /// Nothing came within the deadline.
    Silent,
    /// The connection is gone.
    Closed,
    /// The peer began a frame that cannot be one: its length is above every limit, or its version is unknown.
    Malformed,
}
