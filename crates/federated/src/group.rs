//! The members of a federation, pinned beforehand: a coordinator cannot invent one.

use pmirs_crypto::{Context, PublicIdentity, Signature};
use pmirs_wire::Digest;

use crate::Error;
use crate::message::{Step, digest};

/// Most members of a group.
pub const MAX_MEMBERS: usize = 4096;

/// Public identities in an order that all members agree on; a member's number is its place in it.
///
/// Whoever makes a group has verified its identities (in PMIRS: pinned contacts, members of a collection).
/// The order is part of the group's digest, and that of every round's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    members: Vec<PublicIdentity>,
    digest: Digest,
}

impl Group {
    /// A group of these identities.
    ///
    /// # Errors
    /// [`Error::Plan`] for a repeated identity, fewer than three or more than [`MAX_MEMBERS`].
    pub fn new(members: Vec<PublicIdentity>) -> Result<Self, Error> {
        let wrong =
            |got: String, expected: &str| Error::Plan { field: "group", got, expected: expected.into() };
        if !(3..=MAX_MEMBERS).contains(&members.len()) {
            return Err(wrong(format!("{} members", members.len()), "3 to 4096 members"));
        }
        let mut prints: Vec<[u8; 32]> = members.iter().map(PublicIdentity::fingerprint).collect();
        let digest = digest("group", &prints.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>());
        prints.sort_unstable();
        if prints.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(wrong("a member twice".into(), "each once"));
        }
        Ok(Self { members, digest })
    }

    /// Members of the group.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// A group is never empty.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The member with this number.
    pub fn member(&self, number: u32) -> Option<&PublicIdentity> {
        self.members.get(number as usize)
    }

    /// The number of an identity.
    pub fn number_of(&self, identity: &PublicIdentity) -> Option<u32> {
        self.members.iter().position(|member| member == identity).map(|at| at as u32)
    }

    /// A digest over all members in order.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Checks what a member signed.
    pub(crate) fn verify(
        &self,
        member: u32,
        step: Step,
        what: &'static str,
        signed: &Digest,
        signature: &[u8],
    ) -> Result<(), Error> {
        let identity = self.member(member).ok_or(Error::Stranger { member, step })?;
        let forged = Error::Forged { member, what };
        let signature = signature.try_into().map(Signature).map_err(|_| forged.clone())?;
        identity.verify(Context::Federated, &signed.0, &signature).map_err(|_| forged)
    }
}
