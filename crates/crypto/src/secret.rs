//! What every 32-byte secret has in common.

/// A 32-byte secret as a type of its own: zeroised on drop, printed as its kind alone, compared in constant
/// time, never copied by accident. Its bytes leave only through `expose_secret`.
macro_rules! secret {
    ($(#[$doc:meta])* $visibility:vis $name:ident) => {
        $(#[$doc])*
        #[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        $visibility struct $name([u8; 32]);

        impl $name {
            /// Fresh from the caller's randomness.
            pub fn generate(rng: &mut impl rand_core::CryptoRng) -> Self {
                let mut secret = Self([0; 32]);
                rng.fill_bytes(&mut secret.0);
                secret
            }

            /// Takes secret bytes that were exposed before, for instance from an agent or a keyring. The
            /// caller zeroises its own copy.
            pub fn from_secret(bytes: &[u8; 32]) -> Self {
                Self(*bytes)
            }

            /// The secret bytes themselves, for an agent or a keyring: whoever holds them holds all that
            /// this secret protects.
            pub fn expose_secret(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                $crate::constant_time_eq(&self.0, &other.0)
            }
        }

        impl Eq for $name {}
    };
}

pub(crate) use secret;

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    fn zeroised<T: ZeroizeOnDrop>() {}

    /// Each line compiles only where the type wipes itself; a dependency that loses its `zeroize` feature
    /// does not build.
    #[test]
    fn every_secret_wipes_itself() {
        zeroised::<crate::IdentitySeed>();
        zeroised::<crate::CollectionKey>();
        zeroised::<crate::DeviceKey>();
        zeroised::<crate::ExchangeSeed>();
        zeroised::<crate::MaskRoot>();
        zeroised::<crate::MaskSeed>();
        zeroised::<crate::shamir::Share>();
        zeroised::<crate::record::LocalSecret>();
        zeroised::<crate::PartyKey>();
        zeroised::<crate::ShareSeed>();
        zeroised::<crate::Token>();
        zeroised::<crate::TokenKey>();
        zeroised::<crate::VeilSeed>();
        zeroised::<aes::Aes256>();
        zeroised::<aes_gcm::Aes256Gcm>();
        zeroised::<chacha20::ChaCha20Rng>();
        zeroised::<ed25519_dalek::SigningKey>();
        // HMAC and HKDF hold nothing but states of this.
        zeroised::<sha2::Sha256>();
    }
}
