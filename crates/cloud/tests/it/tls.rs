use std::path::{Path, PathBuf};
use std::sync::Arc;

use pmirs_cloud::{Config, Embedded, Error, TlsFiles};
use pmirs_wire::envelope::Method;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::client::{Http, server_key};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn tls() -> TlsFiles {
    TlsFiles { certificate: fixture("localhost.crt"), key: fixture("localhost.key") }
}

/// A client that trusts the certificate of this file alone.
fn client(url: &str) -> Http {
    let pem = std::fs::read(fixture("localhost.crt")).unwrap();
    let roots = RootCerts::Specific(Arc::new(vec![Certificate::from_pem(&pem).unwrap()]));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider).root_certs(roots).build();
    let agent = ureq::Agent::config_builder().tls_config(tls).http_status_as_error(false).build().new_agent();
    Http::with_agent(url, agent)
}

#[test]
fn tls_works_and_lets_the_server_leave_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "0.0.0.0:0".parse().unwrap();
    let config = Config { listen, tls: Some(tls()), ..Config::loopback(folder.path()) };
    let server = Embedded::start(config).unwrap();
    assert!(server.url().starts_with("https://"));
    let http = client(&format!("https://localhost:{}", server.local_addr().port()));
    assert_eq!(server_key(&http).fingerprint(), server.fingerprint().0);
    let plain = Http::new(&format!("http://127.0.0.1:{}", server.local_addr().port()));
    assert!(plain.try_send(Method::Get, "/healthz", &[], &[]).is_err());
}

#[test]
fn unusable_tls_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (files, culprit) in [
        (TlsFiles { certificate: fixture("absent.crt"), ..tls() }, "absent.crt"),
        (TlsFiles { certificate: fixture("localhost.key"), ..tls() }, "localhost.key"),
        (TlsFiles { key: fixture("localhost.crt"), ..tls() }, "localhost.crt"),
    ] {
        let refused = Embedded::start(Config { tls: Some(files), ..Config::loopback(folder.path()) });
        assert!(matches!(refused, Err(Error::Tls { path, .. }) if path.ends_with(culprit)), "{culprit}");
    }
}
