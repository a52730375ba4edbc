//! Fresh randomness, taken from the system at this edge only.

use pmirs_crypto::Prg;
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use crate::VaultError;

/// A generator under a fresh seed from the operating system: fast enough for every nonce and every veil.
pub(crate) fn rng() -> Result<Prg, VaultError> {
    let mut seed = Zeroizing::new([0; 32]);
    SysRng.try_fill_bytes(seed.as_mut()).map_err(|error| VaultError::Randomness(error.to_string()))?;
    Ok(Prg::new(&seed, b"pmirs vault v1"))
}

/// 16 random bytes: an identifier that nobody can guess.
pub(crate) fn id(rng: &mut Prg) -> [u8; 16] {
    use rand_core::Rng as _;
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    id
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64)
}
