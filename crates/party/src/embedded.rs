//! Parties on threads of their own, for programs that are not asynchronous.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use pmirs_wire::split::{PartyEntry, Trio};
use tokio::sync::oneshot;

use crate::config::{Config, Limits};
use crate::error::Error;
use crate::folder::describe;
use crate::server::{Server, listen};
use crate::state::Node;

/// A running party. Dropping it stops it.
pub struct Embedded {
    node: Arc<Node>,
    entry: PartyEntry,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Embedded {
    /// Starts a party; it answers as soon as this returns.
    ///
    /// # Errors
    /// As [`Server::bind`], or when the system has no thread to give.
    pub fn start(config: Config) -> Result<Self, Error> {
        Self::serve(Server::bind(config)?)
    }

    /// Starts three parties of one process in three folders below this one, on loopback, with the usual limits.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub fn trio(folder: &Path) -> Result<[Self; 3], Error> {
        Self::trio_with(folder, &Limits::default())
    }

    /// The same with other limits. Folders that are there are opened again, on other ports.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub fn trio_with(folder: &Path, limits: &Limits) -> Result<[Self; 3], Error> {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let prepare = |name: &str| {
            let (clients, peers) = (listen(loopback)?, listen(loopback)?);
            let at = clients.local_addr().map_err(Error::Serve)?;
            let peer_at = peers.local_addr().map_err(Error::Serve)?;
            let data = folder.join(name);
            let entry = describe(&data, name, &format!("http://{at}"), &peer_at.to_string())?;
            Ok::<_, Error>((data, entry, clients, peers))
        };
        let prepared = [prepare("north")?, prepare("east")?, prepare("south")?];
        let trio = Trio { parties: prepared.each_ref().map(|(_, entry, ..)| entry.clone()) };
        let start = |(data, _, clients, peers)| {
            let config = Config {
                data,
                listen: loopback,
                peer_listen: loopback,
                tls: None,
                trio: trio.clone(),
                founders: None,
                limits: limits.clone(),
            };
            Self::serve(Server::on(config, clients, peers)?)
        };
        let [first, second, third] = prepared;
        Ok([start(first)?, start(second)?, start(third)?])
    }

    fn serve(server: Server) -> Result<Self, Error> {
        let (node, entry, address) = (Arc::clone(&server.node), server.entry().clone(), server.local_addr());
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
            std::thread::Builder::new().name("pmirs-party".to_owned()).spawn(serve).map_err(Error::Serve)?;
        Ok(Self { node, entry, address, stop: Some(stop), thread: Some(thread) })
    }

    /// Its entry in the file of parties.
    pub fn entry(&self) -> &PartyEntry {
        &self.entry
    }

    /// All three.
    pub fn parties(&self) -> &Trio {
        &self.node.trio
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    #[cfg(test)]
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Stops the party, after orders in work have finished.
    ///
    /// # Errors
    /// Whatever ended it before, if anything did.
    pub fn stop(mut self) -> Result<(), Error> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Error> {
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(Error::Serve(std::io::Error::other("the party's thread panicked"))),
            None => Ok(()),
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::error!(%error, "the embedded party did not stop in order");
        }
    }
}
