//! TLS 1.3 alone, from PEM files.

use std::path::Path;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use crate::error::Error;

/// Reads certificate and key; the hybrid X25519MLKEM768 is preferred for the key exchange.
pub(crate) fn configure(files: &TlsFiles) -> Result<RustlsConfig, Error> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unusable(&files.certificate))?;
    if chain.is_empty() {
        return Err(unusable(&files.certificate)("it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unusable(&files.key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable(&files.certificate))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable(&files.key))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

fn unusable<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> Error + use<'_, E> {
    move |error| Error::Tls { path: path.to_owned(), detail: error.to_string() }
}
