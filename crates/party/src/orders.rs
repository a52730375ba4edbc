//! Whether an order counts: its signature, its time, that it comes once, and what its author may do.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use pmirs_crypto::{Context, PublicIdentity, Signature, sha256};
use pmirs_wire::collection::Role;
use pmirs_wire::split::{Action, Order, SignedOrder, Statement, TreeAction};
use pmirs_wire::{Bytes, Digest, decode};

use crate::members::{self, Members};
use crate::refusal::Refusal;

/// An order that this party checked on its own. There is no other way to make one.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) order: Order,
    /// SHA-256 of its bytes.
    pub(crate) digest: Digest,
    pub(crate) signed: SignedOrder,
    /// The author's encoded public identity.
    pub(crate) identity: Bytes,
}

/// An order whose signature fits, but of whose author nothing is known.
pub(crate) struct Signed {
    order: Order,
    digest: Digest,
    bytes: SignedOrder,
}

impl Signed {
    /// Reads an order for these three.
    pub(crate) fn read(signed: SignedOrder, trio: &Digest) -> Result<Self, Refusal> {
        let order: Order = decode(&signed.order.0).map_err(|error| Refusal::bad(error.to_string()))?;
        if order.trio != *trio {
            return Err(Refusal::bad("trio: the order is for three other servers"));
        }
        let digest = Digest(sha256(&signed.order.0));
        Ok(Self { order, digest, bytes: signed })
    }

    pub(crate) fn order(&self) -> &Order {
        &self.order
    }

    /// The order of a member, if its role allows it. Whoever is no member learns nothing.
    pub(crate) fn by_member(self, members: &Members) -> Result<Checked, Refusal> {
        let member = members.member(&self.order.account).ok_or_else(Refusal::not_found)?;
        let identity = member.identity.clone();
        let role = member.role;
        let checked = self.by(identity)?;
        let least = least_role(&checked.order.action);
        if role < least {
            let (action, least) = (checked.order.action.name(), least.name());
            return Err(Refusal::forbidden(format!(
                "{action} needs the role {least}, this member is a {}",
                role.name()
            )));
        }
        Ok(checked)
    }

    /// The order that makes a collection: by the author of its first statement.
    pub(crate) fn by_founder(self, first: &Statement) -> Result<Checked, Refusal> {
        let founder = first.members.first().filter(|member| member.account == self.order.account);
        let identity = founder.ok_or_else(Refusal::not_found)?.identity.clone();
        self.by(identity)
    }

    /// SHA-256 of its bytes.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    fn by(self, identity: Bytes) -> Result<Checked, Refusal> {
        check_signature(&identity, &self.bytes)?;
        Ok(Checked { order: self.order, digest: self.digest, signed: self.bytes, identity })
    }
}

/// Whether an order carries the signature of this identity.
pub(crate) fn check_signature(identity: &Bytes, signed: &SignedOrder) -> Result<(), Refusal> {
    let refused = || Refusal::forbidden("order: the signature does not fit");
    let identity = PublicIdentity::from_bytes(&identity.0).map_err(|_| refused())?;
    let signature = <[u8; 64]>::try_from(signed.signature.0.as_slice()).map_err(|_| refused())?;
    identity.verify(Context::Order, &signed.order.0, &Signature(signature)).map_err(|_| refused())
}

fn least_role(action: &Action) -> Role {
    match action {
        // The rules of statements say who may sign one; a reader may leave.
        Action::Show
        | Action::Members
        | Action::Rows { .. }
        | Action::Search(_)
        | Action::Govern { .. }
        | Action::Meet
        | Action::Describe { .. }
        | Action::Manifest
        | Action::Models
        | Action::Encode(_)
        | Action::Tree(TreeAction::Show | TreeAction::Rows { .. }) => Role::Reader,
        Action::Prepare { .. } | Action::Commit { .. } | Action::Repair { .. } => Role::Writer,
        Action::Refresh { .. }
        | Action::Delete
        | Action::Tree(TreeAction::Piece { .. } | TreeAction::Plant { .. }) => Role::Owner,
    }
}

/// The first statement of an order that makes a collection.
pub(crate) fn founding(order: &Order) -> Option<Statement> {
    match &order.action {
        Action::Govern { statement } => {
            members::read(statement).ok().filter(|statement| statement.number == 0)
        }
        _ => None,
    }
}

/// Orders of the last minutes, so that none is served twice.
pub(crate) struct Once {
    seen: Mutex<Seen>,
    capacity: usize,
    window_ms: u64,
    started_ms: u64,
}

#[derive(Default)]
struct Seen {
    digests: HashSet<Digest>,
    by_expiry: BTreeSet<(u64, Digest)>,
}

impl Once {
    pub(crate) fn new(capacity: usize, window_ms: u64, started_ms: u64) -> Self {
        Self { seen: Mutex::default(), capacity, window_ms, started_ms }
    }

    /// Takes an order that was sent at this time, if it is recent and new.
    ///
    /// What was sent before the server started is refused, because nobody remembers whether it was served then.
    pub(crate) fn admit(&self, digest: Digest, sent_ms: u64, now_ms: u64) -> Result<(), Refusal> {
        if now_ms.abs_diff(sent_ms) > self.window_ms {
            return Err(Refusal::bad(format!(
                "sent_ms: the client's clock is off by more than {} s; GET /v1/party tells the server's",
                self.window_ms / 1000
            )));
        }
        if sent_ms < self.started_ms {
            return Err(Refusal::unavailable(
                "the server has just started: send the order again, signed anew",
            ));
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { digests, by_expiry } = &mut *seen;
        while let Some((_, digest)) =
            by_expiry.first().copied().filter(|(expires_ms, _)| *expires_ms < now_ms)
        {
            by_expiry.pop_first();
            digests.remove(&digest);
        }
        if digests.contains(&digest) {
            return Err(Refusal::conflict("this order was sent before"));
        }
        if digests.len() >= self.capacity {
            return Err(Refusal::unavailable("the server is busy: try again in a few minutes"));
        }
        digests.insert(digest);
        by_expiry.insert((sent_ms.saturating_add(self.window_ms), digest));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pmirs_wire::problem::ProblemKind::{BadRequest, Conflict, Unavailable};

    use super::*;

    const START: u64 = 1_000_000;
    const WINDOW: u64 = 1_000;

    #[test]
    fn an_order_is_admitted_once_within_its_window_and_never_forgotten_early() {
        let once = Once::new(2, WINDOW, START);
        let admit = |byte: u8, sent: u64, now: u64| {
            once.admit(Digest([byte; 32]), sent, now).map_err(|refusal| refusal.0.problem.kind)
        };
        assert_eq!(admit(1, START + 5, START + 9), Ok(()));
        assert_eq!(admit(1, START + 5, START + 9), Err(Conflict));
        assert_eq!(admit(1, START + 5, START + 5 + WINDOW), Err(Conflict), "as late as the window allows");
        assert_eq!(admit(1, START + 5, START + 6 + WINDOW), Err(BadRequest), "too late");
        assert_eq!(admit(2, START + 2 * WINDOW, START), Err(BadRequest), "from the future");
        assert_eq!(admit(2, START - 1, START), Err(Unavailable), "from before the start");
        assert_eq!(admit(2, START + 10, START + 10), Ok(()));
        assert_eq!(admit(3, START + 20, START + 20), Err(Unavailable), "no room");
        assert_eq!(admit(2, START + 10, START + 20), Err(Conflict));
        assert_eq!(admit(3, START + WINDOW + 6, START + WINDOW + 6), Ok(()), "the first one's time is over");
    }
}
