//! A party from its configuration to its last answer.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use pmirs_mpc::Role;
use pmirs_wire::Digest;
use pmirs_wire::split::PartyEntry;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{Config, TlsFiles};
use crate::error::Error;
use crate::state::Node;
use crate::{folder, http, parties, peers};

/// A party that holds its folder and its ports, and is ready to [`run`](Self::run).
pub struct Server {
    pub(crate) node: Arc<Node>,
    clients: TcpListener,
    peers: TcpListener,
    address: SocketAddr,
    peer_address: SocketAddr,
    tls: Option<RustlsConfig>,
    /// Keeps other servers off the folder.
    _lock: File,
}

impl Server {
    /// Opens the data folder, making what is missing, and takes the addresses.
    ///
    /// # Errors
    /// An address that is not loopback without TLS, keys that are none of the three, a folder that another server works
    /// on or that cannot be read, or an address that is taken.
    pub fn bind(config: Config) -> Result<Self, Error> {
        let clients = listen(config.listen)?;
        let peers = listen(config.peer_listen)?;
        Self::on(config, clients, peers)
    }

    /// The same on sockets that were taken before, so that the file of parties can name their ports.
    pub(crate) fn on(config: Config, clients: TcpListener, peers: TcpListener) -> Result<Self, Error> {
        let address = clients.local_addr().map_err(Error::Serve)?;
        let peer_address = peers.local_addr().map_err(Error::Serve)?;
        if config.tls.is_none() && !address.ip().is_loopback() {
            return Err(Error::PlainListen { listen: config.listen });
        }
        let tls = config.tls.as_ref().map(tls_config).transpose()?;
        let lock = folder::take(&config.data)?;
        let keys = folder::keys(&config.data)?;
        let role = parties::role_of(&config.trio, &Digest(keys.signing.public().to_bytes()));
        let role = role.ok_or_else(|| Error::Stranger { path: config.data.clone() })?;
        if parties::entry(&config.trio, role).seals.0 != keys.sealing.public().fingerprint() {
            return Err(Error::Stranger { path: config.data.clone() });
        }
        let node = Arc::new(Node::open(config, keys, role)?);
        Ok(Self { node, clients, peers, address, peer_address, tls, _lock: lock })
    }

    /// Which of the three it is: 0, 1 or 2.
    pub fn place(&self) -> usize {
        self.node.role.index()
    }

    /// Its own entry in the file of parties.
    pub fn entry(&self) -> &PartyEntry {
        parties::entry(&self.node.trio, self.node.role)
    }

    /// Where clients reach it, with the port that it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where the two others reach it.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer_address
    }

    /// Serves until `shutdown` completes, then takes no more connections and lets orders in work finish, for as long as
    /// the limits say.
    ///
    /// It needs a runtime of several threads: what waits for the disk takes one of them.
    ///
    /// # Errors
    /// When a listening socket fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let handle = Handle::new();
        let (stop, drain) = (handle.clone(), self.node.limits.drain_time);
        let stopping = tokio::spawn(async move {
            shutdown.await;
            stop.graceful_shutdown(Some(drain));
        });
        let role: Role = self.node.role;
        tracing::info!(address = %self.address, peers = %self.peer_address, %role, tls = self.tls.is_some(), "listening");
        let links = tokio::spawn(peers::run(Arc::clone(&self.node.mesh), self.peers));
        let service = http::service(&self.node).into_make_service();
        let mut server = axum_server::from_tcp(self.clients).map_err(Error::Serve)?.handle(handle);
        let patience = self.node.limits.header_time;
        bound(server.http_builder(), patience);
        let plain = NoDelayAcceptor::new();
        let served = match self.tls {
            Some(tls) => {
                server
                    .acceptor(RustlsAcceptor::new(tls).handshake_timeout(patience).acceptor(plain))
                    .serve(service)
                    .await
            }
            None => server.acceptor(plain).serve(service).await,
        };
        stopping.abort();
        links.abort();
        tracing::info!("stopped");
        served.map_err(Error::Serve)
    }
}

/// Bounds what one connection may hold, and for how long it may say nothing.
fn bound(http: &mut Builder<TokioExecutor>, patience: Duration) {
    const BUFFER: usize = 64 << 10;
    http.http1().timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(patience)
        .keep_alive_timeout(patience)
        .max_concurrent_streams(64);
}

pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let refused = |source| Error::Bind { listen: address, source };
    let listener = TcpListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    Ok(listener)
}

/// TLS 1.3 alone, for clients.
fn tls_config(files: &TlsFiles) -> Result<RustlsConfig, Error> {
    let unusable = |path: &std::path::Path, detail: String| Error::Tls { path: path.to_owned(), detail };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&files.certificate, error.to_string()))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unusable(&files.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| unusable(&files.certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&files.key, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

/// Completes when the process is asked to stop: interrupt, or on Unix terminate.
pub async fn shutdown_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
