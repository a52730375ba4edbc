//! What every route works with.

use std::sync::Arc;

use pmirs_crypto::{DeviceKey, DevicePublicKey, Identity, IdentitySeed, PublicIdentity, ServerKey};
use pmirs_wire::Digest;
use tokio::sync::Semaphore;

use crate::clock;
use crate::commitment::Commitments;
use crate::config::Limits;
use crate::federation::Federations;
use crate::folder::FirstInvite;
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::ranking::Rankings;
use crate::refusal::Refusal;
use crate::replay::{Challenges, Replays};
use crate::storage::{Blobs, Store};
use crate::throttle::Throttle;

/// The server's state, shared by all requests.
pub(crate) struct App {
    pub(crate) store: Box<dyn Store>,
    pub(crate) blobs: Box<dyn Blobs>,
    pub(crate) rankings: Rankings,
    pub(crate) commitments: Commitments,
    pub(crate) federations: Federations,
    pub(crate) key: ServerKey,
    /// The fingerprint of the server's public key: what invites pin and logins sign.
    pub(crate) fingerprint: Digest,
    pub(crate) first_invite: FirstInvite,
    pub(crate) limits: Limits,
    pub(crate) throttle: Throttle,
    pub(crate) challenges: Challenges,
    pub(crate) replays: Replays,
    pub(crate) mailbox: Mailbox,
    pub(crate) metrics: Metrics,
    /// An identity that nobody holds: a login to an account that does not exist is checked against it, so that
    /// it takes as long as any other.
    pub(crate) nobody: PublicIdentity,
    /// The same for a device.
    pub(crate) no_device: DevicePublicKey,
    /// Requests in work.
    pub(crate) requests: Semaphore,
    /// MiB of large bodies in transit.
    pub(crate) body_memory: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        store: Box<dyn Store>,
        blobs: Box<dyn Blobs>,
        federations: Federations,
        key: ServerKey,
        first_invite: FirstInvite,
        limits: Limits,
    ) -> Self {
        let window_ms = limits.clock_skew.as_millis() as u64;
        Self {
            store,
            blobs,
            rankings: Rankings::new(),
            commitments: Commitments::default(),
            federations,
            fingerprint: Digest(key.public().fingerprint()),
            key,
            first_invite,
            throttle: Throttle::new(&limits),
            challenges: Challenges::new(limits.open_challenges),
            replays: Replays::new(limits.remembered_requests, window_ms, clock::now_ms()),
            mailbox: Mailbox::new(limits.open_pairings),
            metrics: Metrics::new(),
            nobody: Identity::from_seed(&IdentitySeed::generate(&mut clock::system_rng())).public(),
            no_device: DeviceKey::generate(&mut clock::system_rng()).public(),
            requests: Semaphore::new(limits.requests),
            body_memory: Arc::new(Semaphore::new(limits.body_memory_mib as usize)),
            limits,
        }
    }

    /// Runs what reads or writes the disk, or computes for long, on a thread that may block.
    pub(crate) async fn run<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        match tokio::task::spawn_blocking(move || work(&self)).await {
            Ok(answer) => answer,
            Err(error) => Err(Refusal::internal(&error)),
        }
    }
}
