//! A server from its configuration to its last answer.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use pmirs_wire::Digest;
use pmirs_wire::account::Invite;

use crate::app::App;
use crate::config::{Config, Limits};
use crate::connection::Doorkeeper;
use crate::error::Error;
use crate::federation::{Federations, Staging};
use crate::folder::{self, FirstInvite};
use crate::routes;
use crate::storage::federation::FederationStore;
use crate::storage::{Blobs, DATABASE_FILE, FileBlobs, Sqlite, Store, sweep};
use crate::tls;

/// A server that holds its folder and its port, and is ready to [`run`](Self::run).
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    /// Keeps other servers off the folder.
    _lock: File,
}

impl Server {
    /// Opens the data folder, making what is missing, and takes the address.
    ///
    /// # Errors
    ///
    /// An address that is not loopback without TLS, unusable TLS files, a folder that another server works on
    /// or that cannot be read, or an address that is taken.
    pub fn bind(config: Config) -> Result<Self, Error> {
        if config.tls.is_none() && !config.listen.ip().is_loopback() {
            return Err(Error::PlainListen { listen: config.listen });
        }
        let tls = config.tls.as_ref().map(tls::configure).transpose()?;
        let data = &config.data;
        let lock = folder::take(data)?;
        let blobs = FileBlobs::open(data.join(folder::CONTENT))?;
        let database = data.join(DATABASE_FILE);
        // Before anything is made: the database may be brought back yet.
        if !database.exists() && holds_content(&blobs)? {
            return Err(Error::LostRecords { path: database });
        }
        let store = Sqlite::open(data)?;
        let known = store.accounts()? > 0;
        if !known && holds_content(&blobs)? {
            return Err(Error::LostRecords { path: database });
        }
        let key = folder::server_key(data, known)?;
        let signer = folder::coordinator(data, store.has_federations()?)?;
        let staging = Staging::open(data.join(folder::STAGING))?;
        let models = FileBlobs::open(data.join(folder::MODELS))?;
        let swept = sweep(&blobs, |names| store.orphans(names))?
            + sweep(&models, |names| store.model_orphans(names))?;
        if swept > 0 {
            tracing::info!(swept, "removed content that a crash left without a record");
        }
        let first_invite = FirstInvite::of(data);
        first_invite.prepare(data, &store, Digest(key.public().fingerprint()))?;

        let refused = |source| Error::Bind { listen: config.listen, source };
        let listener = TcpListener::bind(config.listen).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let waiting = config.limits.waiting_turns;
        let federations = Federations::new(Box::new(models), staging, signer, waiting);
        let app = App::new(Box::new(store), Box::new(blobs), federations, key, first_invite, config.limits);
        Ok(Self { app: Arc::new(app), listener, address, tls, _lock: lock })
    }

    /// Where it listens, with the port that it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address for clients on this machine.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The fingerprint of the server's public key, which invites pin.
    pub fn fingerprint(&self) -> Digest {
        self.app.fingerprint
    }

    /// The invite for the first account, the same at every start until it is spent; nothing after that.
    pub fn first_invite(&self) -> Option<Invite> {
        self.app.first_invite.read()
    }

    /// Makes an invite for one more account.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub fn create_invite(&self) -> Result<Invite, Error> {
        folder::new_invite(&*self.app.store, self.app.fingerprint)
    }

    /// Serves until `shutdown` completes, then takes no more connections and lets requests in work finish, for
    /// as long as the limits say.
    ///
    /// # Errors
    ///
    /// When the listening socket fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let handle = Handle::new();
        let (stop, drain) = (handle.clone(), self.app.limits.drain_time);
        let stopping = tokio::spawn(async move {
            shutdown.await;
            stop.graceful_shutdown(Some(drain));
        });
        let service = routes::service(&self.app).into_make_service_with_connect_info::<SocketAddr>();
        let mut server = axum_server::from_tcp(self.listener).map_err(Error::Serve)?.handle(handle);
        let limits = &self.app.limits;
        bound(server.http_builder(), limits);
        let (connections, patience) = (limits.connections, limits.header_time);
        tracing::info!(address = %self.address, tls = self.tls.is_some(), "listening");
        let plain = NoDelayAcceptor::new();
        let served = if let Some(tls) = self.tls {
            let tls = RustlsAcceptor::new(tls).handshake_timeout(patience).acceptor(plain);
            server.acceptor(Doorkeeper::new(tls, connections, patience)).serve(service).await
        } else {
            server.acceptor(Doorkeeper::new(plain, connections, patience)).serve(service).await
        };
        stopping.abort();
        if let Err(error) = self.app.store.settle() {
            tracing::error!(%error, "the database's journal stays beside it");
        }
        tracing::info!("stopped");
        served.map_err(Error::Serve)
    }

    pub(crate) fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// The routes without a network.
    pub(crate) fn service(&self) -> axum::Router {
        routes::service(&self.app)
    }
}

/// Whether there is any content. Without an account it means that the database was left behind, and sweeping would
/// finish what that began.
fn holds_content(blobs: &FileBlobs) -> Result<bool, Error> {
    let mut found = false;
    blobs.visit(&mut |names| {
        found |= !names.is_empty();
        Ok(())
    })?;
    Ok(found)
}

/// Bounds what one connection may hold.
fn bound(http: &mut Builder<TokioExecutor>, limits: &Limits) {
    const HTTP1_BUFFER: usize = 64 << 10;
    http.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_buf_size(HTTP1_BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.header_time)
        .keep_alive_timeout(limits.header_time)
        .max_concurrent_streams(64);
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
