//! HTTP with one connection pool, TLS 1.3 for `https`, and the HPKE envelope around everything.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pmirs_crypto::ServerPublicKey;
use pmirs_wire::account::ServerInfo;
use pmirs_wire::envelope::InnerRequest;
use pmirs_wire::problem::{Problem, ProblemKind};
use pmirs_wire::{Digest, Message, decode, encode, limits};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::transport::{Exchange, Transport, TransportError};
use crate::{VaultError, fresh};

/// How long to wait for a connection, and for the server to begin an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long the whole of an answer may take: the largest at 200 kB/s.
const BODY_TIMEOUT: Duration = Duration::from_mins(10);

/// A server's address with the connections to it.
pub struct Connection {
    agent: ureq::Agent,
    url: String,
}

impl Connection {
    /// Prepares to talk to `url` (`http://` on this machine, `https://` elsewhere). `ca` is a PEM file of
    /// certificates to trust instead of the usual authorities.
    ///
    /// # Errors
    /// When `url` is no such address, or the certificates cannot be read.
    pub fn new(url: &str, ca: Option<&Path>) -> Result<Self, VaultError> {
        let url = canonical(url)?;
        let mut tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        tls = tls.root_certs(match ca {
            Some(path) => RootCerts::Specific(Arc::new(read_certificates(path)?)),
            None => RootCerts::PlatformVerifier,
        });
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_recv_body(Some(BODY_TIMEOUT))
            .user_agent("pmirs")
            .build()
            .new_agent();
        Ok(Self { agent, url })
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the server says of itself; nothing in it is trusted before its key is checked.
    ///
    /// # Errors
    /// When the server does not answer, or answers something else.
    pub fn server_info(&self) -> Result<ServerInfo, VaultError> {
        self.get("/v1/server")
    }

    pub(crate) fn get<M: Message>(&self, path: &str) -> Result<M, VaultError> {
        let bad = |reason: String| VaultError::BadAnswer { request: format!("GET {path}"), reason };
        let mut answer = self
            .agent
            .get(format!("{}{path}", self.url))
            .header("accept", "application/cbor")
            .call()
            .map_err(|error| VaultError::Unreachable { url: self.url.clone(), reason: error.to_string() })?;
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(M::MAX_BYTES as u64)
            .read_to_vec()
            .map_err(|error| bad(error.to_string()))?;
        decode(&bytes).map_err(|error| bad(error.to_string()))
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>), ureq::Error> {
        let mut answer = self
            .agent
            .post(format!("{}{path}", self.url))
            .content_type("application/octet-stream")
            .header("accept", "application/cbor")
            .send(body)?;
        let status = answer.status().as_u16();
        let bytes = answer.body_mut().with_config().limit(limits::TRANSPORT as u64).read_to_vec()?;
        Ok((status, bytes))
    }
}

/// The real transport: every request in an envelope to the server's key, over a [`Connection`].
pub struct HttpTransport {
    connection: Connection,
    key: ServerPublicKey,
}

impl HttpTransport {
    /// A transport to the server that holds `key`.
    pub fn new(connection: Connection, key: ServerPublicKey) -> Self {
        Self { connection, key }
    }
}

impl HttpTransport {
    /// Why the server refused the envelope itself. One that holds another key than the pinned one cannot open
    /// it, and says who it is.
    fn refused(&self, problem: Problem) -> TransportError {
        let shown = self.connection.server_info().ok().map(|info| info.public_key);
        match shown.and_then(|key| ServerPublicKey::from_bytes(&key.0).ok()) {
            Some(key) if key.fingerprint() != self.key.fingerprint() => TransportError::KeyChanged {
                got: Digest(key.fingerprint()),
                pinned: Digest(self.key.fingerprint()),
            },
            _ => TransportError::Refused(problem),
        }
    }
}

impl Transport for HttpTransport {
    fn exchange(&self, request: &InnerRequest) -> Result<Exchange, TransportError> {
        let malformed = |error: &dyn std::fmt::Display| TransportError::Malformed(error.to_string());
        let started = Instant::now();
        let plain = encode(request).map_err(|error| malformed(&error))?;
        let mut rng = fresh::rng().map_err(|error| malformed(&error))?;
        let (sealed, opener) = self.key.seal_request(&mut rng, &plain);
        let seal = started.elapsed();

        let (status, body) = self
            .connection
            .post("/v1/envelope", &sealed)
            .map_err(|error| TransportError::Unreachable(error.to_string()))?;
        if status != 200 {
            return Err(self.refused(read_problem(status, &body)));
        }
        let arrived = started.elapsed();

        let answer = opener.open(&body).map_err(|error| malformed(&error))?;
        let response = decode(&answer).map_err(|error| malformed(&error))?;
        let (network, open) = (arrived.saturating_sub(seal), started.elapsed().saturating_sub(arrived));
        Ok(Exchange { response, seal, network, open })
    }

    fn name(&self) -> &str {
        self.connection.url()
    }
}

/// The problem in an error's body, or one made of its status.
pub(crate) fn read_problem(status: u16, body: &[u8]) -> Problem {
    decode(body).unwrap_or_else(|_| Problem {
        kind: ProblemKind::Internal,
        message: format!("HTTP status {status} without a reason"),
    })
}

/// The one way to write an address, so that a pinned key is found whatever way it was typed.
fn canonical(url: &str) -> Result<String, VaultError> {
    let bad = |reason: &str| VaultError::Url { url: url.to_owned(), reason: reason.to_owned() };
    let parsed: ureq::http::Uri =
        url.parse().map_err(|_| bad("expected http://HOST:PORT or https://HOST"))?;
    let host = parsed.host().ok_or_else(|| bad("it names no host"))?.to_ascii_lowercase();
    if parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad("it must not hold a name or a password"));
    }
    if parsed.path_and_query().is_some_and(|path| path.as_str() != "/") {
        return Err(bad("it must not hold a path"));
    }
    let loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let scheme = match parsed.scheme_str() {
        Some("https") => "https",
        Some("http") if loopback => "http",
        Some("http") => return Err(bad("plain http is for this machine only; use https")),
        _ => return Err(bad("expected http://HOST:PORT or https://HOST")),
    };
    let usual = if scheme == "https" { 443 } else { 80 };
    let port = parsed.port_u16().filter(|&port| port != usual);
    Ok(format!("{scheme}://{host}{}", port.map(|port| format!(":{port}")).unwrap_or_default()))
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate<'static>>, VaultError> {
    let pem = std::fs::read(path).map_err(|error| VaultError::file(path, &error))?;
    let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(error) => Some(Err(VaultError::file(path, &error))),
        })
        .collect::<Result<_, _>>()?;
    if certificates.is_empty() {
        return Err(VaultError::file(path, &"it holds no certificate"));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn an_address_has_one_spelling() {
        for spelling in
            ["https://Cloud.Example.org", "HTTPS://cloud.example.org:443/", "https://cloud.example.org/"]
        {
            assert_eq!(canonical(spelling).unwrap(), "https://cloud.example.org");
        }
        assert_eq!(canonical("http://127.0.0.1:7747/").unwrap(), "http://127.0.0.1:7747");
        assert_eq!(canonical("http://[::1]:7747").unwrap(), "http://[::1]:7747");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "cloud",
            "http://example.org",
            "ftp://localhost",
            "https://a:b@example.org",
            "https://example.org/x",
        ] {
            assert!(canonical(url).is_err(), "{url}");
        }
    }
}
