//! TLS 1.3 between parties: both sides show a raw public key (RFC 7250) that the file of parties pins.
//!
//! The key exchange is X25519 joined with ML-KEM-768 and nothing else, so that what is recorded today stays closed unless
//! both fall. The connection's exporter (RFC 8446 section 7.5) gives the two ends the key of their common randomness:
//! it is fresh for each connection, known to the two authenticated ends alone, and gone with them.

use std::sync::Arc;

use pmirs_crypto::{PartyKey, PartyPublicKey};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};

/// The protocol that a connection speaks, in case it ever speaks another.
const PROTOCOL: &[u8] = b"pmirs-party/1";

/// What accepts connections of these parties.
pub(super) fn server(key: &PartyKey, peers: &[PartyPublicKey]) -> Result<ServerConfig, Error> {
    let provider = provider();
    let pinned = Arc::new(Pinned::new(&provider, peers));
    let resolver = Arc::new(rustls::server::AlwaysResolvesServerRawPublicKeys::new(certified(key)?));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(pinned)
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// What connects to this party and no other.
pub(super) fn client(key: &PartyKey, peer: &PartyPublicKey) -> Result<ClientConfig, Error> {
    let provider = provider();
    let pinned = Arc::new(Pinned::new(&provider, std::slice::from_ref(peer)));
    let resolver = Arc::new(rustls::client::AlwaysResolvesClientRawPublicKeys::new(certified(key)?));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(pinned)
        .with_client_cert_resolver(resolver);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

/// A name, since the library wants one; nobody sees it and nobody checks it.
pub(super) fn nobody() -> Result<ServerName<'static>, Error> {
    ServerName::try_from("party.invalid").map_err(|_| Error::General("a name".to_owned()))
}

fn provider() -> Arc<CryptoProvider> {
    let kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    Arc::new(CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() })
}

fn certified(key: &PartyKey) -> Result<Arc<CertifiedKey>, Error> {
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8().to_vec()));
    let signing = aws_lc_rs::sign::any_supported_type(&private)?;
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(key.public().spki())], signing)))
}

/// Accepts the pinned keys, and no other thing at all.
#[derive(Debug)]
struct Pinned {
    keys: Vec<Vec<u8>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn new(provider: &CryptoProvider, peers: &[PartyPublicKey]) -> Self {
        let keys = peers.iter().map(PartyPublicKey::spki).collect();
        Self { keys, algorithms: provider.signature_verification_algorithms }
    }

    fn check(&self, shown: &CertificateDer<'_>) -> Result<(), Error> {
        if self.keys.iter().any(|key| key.as_slice() == shown.as_ref()) {
            return Ok(());
        }
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    fn signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }
}

/// The two traits ask the same in other words.
macro_rules! verifies_pinned {
    ($verifier:ty, $verified:ty, $verify:ident($($unused:ty),*) $(, $extra:item)?) => {
        impl $verifier for Pinned {
            fn $verify(
                &self,
                shown: &CertificateDer<'_>,
                _intermediates: &[CertificateDer<'_>],
                $(_: $unused,)*
                _now: UnixTime,
            ) -> Result<$verified, Error> {
                self.check(shown).map(|()| <$verified>::assertion())
            }

            fn verify_tls12_signature(
                &self,
                _message: &[u8],
                _key: &CertificateDer<'_>,
                _signed: &DigitallySignedStruct,
            ) -> Result<HandshakeSignatureValid, Error> {
                Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
            }

            fn verify_tls13_signature(
                &self,
                message: &[u8],
                key: &CertificateDer<'_>,
                signed: &DigitallySignedStruct,
            ) -> Result<HandshakeSignatureValid, Error> {
                self.signature(message, key, signed)
            }

            fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
                vec![SignatureScheme::ED25519]
            }

            fn requires_raw_public_keys(&self) -> bool {
                true
            }

            $($extra)?
        }
    };
}

verifies_pinned!(ServerCertVerifier, ServerCertVerified, verify_server_cert(&ServerName<'_>, &[u8]));
verifies_pinned!(
    ClientCertVerifier,
    ClientCertVerified,
    verify_client_cert(),
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
);
