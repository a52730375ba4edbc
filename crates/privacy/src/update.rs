//! What a client has made of its update, before a mask hides it.

use zeroize::Zeroizing;

/// A clipped, rounded and noised update. It carries the noise of one client alone, which protects little: it is masked
/// before it goes anywhere, and wiped when it is dropped.
pub struct UnmaskedUpdate(Zeroizing<Vec<i32>>);

impl UnmaskedUpdate {
    pub(crate) fn new(residues: Zeroizing<Vec<i32>>) -> Self {
        Self(residues)
    }

    /// The components as residues in ℤ_2³², for the one who masks them.
    pub fn expose_unmasked(&self) -> &[i32] {
        &self.0
    }
}

impl std::fmt::Debug for UnmaskedUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UnmaskedUpdate(redacted, {} components)", self.0.len())
    }
}
