//! What travels over the agent's socket: one request, one reply, then the connection closes.
//!
//! ```text
//! "PMA" ‖ version (1) ‖ kind ‖ payload length ‖ payload
//!   3        1           1          1            0 to 32 bytes
//! ```

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

/// The 32 bytes that an identity grows from.
pub type Seed = Zeroizing<[u8; 32]>;

const MAGIC: [u8; 3] = *b"PMA";
const VERSION: u8 = 1;
const HEADER_LEN: usize = 6;
const MAX_PAYLOAD: usize = 32;

/// What a command asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Hand out the seed, and stay for another while.
    Seed,
    /// Say how long it would stay without use.
    Remaining,
    /// Erase the seed and end.
    Lock,
}

/// What the agent answers.
pub enum Reply {
    /// To [`Request::Seed`].
    Seed(Seed),
    /// To [`Request::Remaining`]: whole seconds.
    Remaining(u32),
    /// To [`Request::Lock`].
    Locked,
}

impl Request {
    /// Sends the request.
    pub fn write(self, to: &mut impl Write) -> io::Result<()> {
        let kind = match self {
            Self::Seed => 1,
            Self::Remaining => 2,
            Self::Lock => 3,
        };
        write_frame(to, kind, &[])
    }

    /// Receives a request.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let (kind, payload) = read_frame(from)?;
        match (kind, payload.len()) {
            (1, 0) => Ok(Self::Seed),
            (2, 0) => Ok(Self::Remaining),
            (3, 0) => Ok(Self::Lock),
            _ => Err(malformed("unknown request")),
        }
    }
}

impl Reply {
    /// Sends the reply.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Seed(seed) => write_frame(to, 0x81, seed.as_slice()),
            Self::Remaining(seconds) => write_frame(to, 0x82, &seconds.to_be_bytes()),
            Self::Locked => write_frame(to, 0x83, &[]),
        }
    }

    /// Receives a reply.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let (kind, payload) = read_frame(from)?;
        let wrong_length = |_| malformed("wrong payload length");
        match kind {
            0x81 => Ok(Self::Seed(Zeroizing::new(payload.as_slice().try_into().map_err(wrong_length)?))),
            0x82 => {
                Ok(Self::Remaining(u32::from_be_bytes(payload.as_slice().try_into().map_err(wrong_length)?)))
            }
            0x83 if payload.is_empty() => Ok(Self::Locked),
            _ => Err(malformed("unknown reply")),
        }
    }
}

fn write_frame(to: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    let length = u8::try_from(payload.len()).map_err(|_| malformed("payload too long"))?;
    let mut frame = Zeroizing::new(Vec::with_capacity(HEADER_LEN + MAX_PAYLOAD));
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&[VERSION, kind, length]);
    frame.extend_from_slice(payload);
    to.write_all(&frame)?;
    to.flush()
}

fn read_frame(from: &mut impl Read) -> io::Result<(u8, Zeroizing<Vec<u8>>)> {
    let mut header = [0; HEADER_LEN];
    from.read_exact(&mut header)?;
    let [m0, m1, m2, version, kind, length] = header;
    if [m0, m1, m2] != MAGIC {
        return Err(malformed("not an agent's frame"));
    }
    if version != VERSION {
        return Err(malformed(&format!("agent protocol version {version}, this program speaks {VERSION}")));
    }
    let length = usize::from(length);
    if length > MAX_PAYLOAD {
        return Err(malformed(&format!("payload of {length} bytes, at most {MAX_PAYLOAD} are allowed")));
    }
    let mut payload = Zeroizing::new(vec![0; length]);
    from.read_exact(&mut payload)?;
    Ok((kind, payload))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn golden_bytes() {
        assert_eq!(bytes(|to| Request::Seed.write(to)), b"PMA\x01\x01\x00");
        assert_eq!(bytes(|to| Request::Remaining.write(to)), b"PMA\x01\x02\x00");
        assert_eq!(bytes(|to| Request::Lock.write(to)), b"PMA\x01\x03\x00");
        let seed = Reply::Seed(Zeroizing::new([7; 32]));
        assert_eq!(bytes(|to| seed.write(to)), [b"PMA\x01\x81\x20".as_slice(), &[7; 32]].concat());
        assert_eq!(bytes(|to| Reply::Remaining(900).write(to)), b"PMA\x01\x82\x04\x00\x00\x03\x84");
        assert_eq!(bytes(|to| Reply::Locked.write(to)), b"PMA\x01\x83\x00");
    }

    #[test]
    fn what_is_written_is_read() {
        for request in [Request::Seed, Request::Remaining, Request::Lock] {
            assert_eq!(Request::read(&mut bytes(|to| request.write(to)).as_slice()).unwrap(), request);
        }
        let sent = bytes(|to| Reply::Seed(Zeroizing::new([9; 32])).write(to));
        assert!(matches!(Reply::read(&mut sent.as_slice()), Ok(Reply::Seed(seed)) if *seed == [9; 32]));
    }

    #[test]
    fn bad_frames_are_refused_before_their_payload_is_read() {
        let bad: [&[u8]; 6] = [
            b"PMX\x01\x01\x00",         // another program
            b"PMA\x02\x01\x00",         // a later version
            b"PMA\x01\x09\x00",         // an unknown kind
            b"PMA\x01\x01\x01\x00",     // a payload where none belongs
            b"PMA\x01\x81\x21\x00\x00", // longer than any payload
            b"PMA\x01",                 // cut short
        ];
        for frame in bad {
            assert!(Request::read(&mut &*frame).is_err(), "{frame:?} was taken for a request");
            assert!(Reply::read(&mut &*frame).is_err(), "{frame:?} was taken for a reply");
        }
    }
}
