//! A server on a thread of its own, for programs that are not asynchronous.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use pmirs_wire::account::Invite;
use pmirs_wire::{Digest, limits};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tower::ServiceExt;

use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::folder;
use crate::routes;
use crate::server::Server;

/// A running server. Dropping it stops it.
pub struct Embedded {
    url: String,
    address: SocketAddr,
    fingerprint: Digest,
    app: Arc<App>,
    service: Router,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Embedded {
    /// Starts a server; it answers as soon as this returns.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`], or when the system has no thread to give.
    pub fn start(config: Config) -> Result<Self, Error> {
        let server = Server::bind(config)?;
        let (url, address, fingerprint) = (server.url(), server.local_addr(), server.fingerprint());
        let (app, service) = (server.app(), server.service());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Serve)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(server.run(async {
                // A sender that is gone means stop as well.
                let _ = stopped.await;
            }))
        };
        let thread =
            std::thread::Builder::new().name("pmirs-cloud".to_owned()).spawn(serve).map_err(Error::Serve)?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Self { url, address, fingerprint, app, service, runtime: handle, stop, thread })
    }

    /// Where clients find it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The fingerprint of the server's public key, which invites pin.
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// The invite for the first account, until it is spent.
    pub fn first_invite(&self) -> Option<Invite> {
        self.app.first_invite.read()
    }

    /// Makes an invite for one more account.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub fn invite(&self) -> Result<Invite, Error> {
        folder::new_invite(&*self.app.store, self.fingerprint)
    }

    /// Answers a sealed request as if it had come over the network, with the status and the body: for measurements
    /// that leave sockets out.
    pub fn answer(&self, sealed: Vec<u8>) -> (u16, Vec<u8>) {
        let (method, path) = routes::ENVELOPE;
        let request = Request::builder().method(method).uri(path).body(Body::from(sealed));
        let unanswered = (StatusCode::INTERNAL_SERVER_ERROR.as_u16(), Vec::new());
        let Ok(request) = request else { return unanswered };
        self.runtime.block_on(async {
            let Ok(response) = self.service.clone().oneshot(request).await;
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), limits::TRANSPORT).await;
            body.map_or(unanswered, |body| (status, body.into()))
        })
    }

    /// Stops the server, after requests in work have finished.
    ///
    /// # Errors
    ///
    /// Whatever ended the server before, if anything did.
    pub fn stop(mut self) -> Result<(), Error> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Error> {
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(Error::Serve(std::io::Error::other("the server's thread panicked"))),
            None => Ok(()),
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::error!(%error, "the embedded server did not stop in order");
        }
    }
}
