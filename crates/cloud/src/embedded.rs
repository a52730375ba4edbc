//! A server on a thread of its own, for programs that are not asynchronous.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use pmirs_wire::Digest;
use pmirs_wire::account::Invite;
use tokio::sync::oneshot;

use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::folder;
use crate::server::Server;

/// A running server. Dropping it stops it.
pub struct Embedded {
    url: String,
    address: SocketAddr,
    fingerprint: Digest,
    app: Arc<App>,
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
        let app = server.app();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Serve)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(server.run(async {
                // A sender that is gone means stop as well.
                let _ = stopped.await;
            }))
        };
        let thread =
            std::thread::Builder::new().name("pmirs-cloud".to_owned()).spawn(serve).map_err(Error::Serve)?;
        Ok(Self { url, address, fingerprint, app, stop: Some(stop), thread: Some(thread) })
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
