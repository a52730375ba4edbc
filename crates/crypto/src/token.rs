//! Bearer tokens: what a client shows instead of signing every request.

use data_encoding::BASE64URL_NOPAD;
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::hash::labelled_sha256;
use crate::secret::secret;

secret! {
    /// 32 random bytes that stand for a login or an invite until they expire.
    pub Token
}

impl Token {
    /// What the server keeps, so that its database holds nothing that logs anyone in. The token has 256 bits
    /// of entropy, so a plain hash cannot be searched.
    pub fn hash(&self) -> [u8; 32] {
        labelled_sha256("pmirs/token/v1", self.expose_secret())
    }

    /// 43 characters of base64url without padding (RFC 4648 section 5).
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(self.expose_secret()))
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        const WHAT: &str = "token";
        const LENGTH: usize = 43;
        if text.len() != LENGTH {
            return Err(Error::Length { what: WHAT, expected: LENGTH, got: text.len() });
        }
        let malformed = Error::Malformed { what: WHAT };
        let mut bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| malformed.clone())?;
        let token = <&[u8; 32]>::try_from(bytes.as_slice()).map(Self::from_secret).map_err(|_| malformed);
        bytes.zeroize();
        token
    }
}
