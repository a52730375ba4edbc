//! Who may do what: the rules by which one statement follows another.

use pmirs_crypto::{Context, PublicIdentity, Signature, sha256};
use pmirs_wire::collection::Role;
use pmirs_wire::split::{Member, SignedStatement, Statement};
use pmirs_wire::{AccountId, CollectionId, Digest, decode, encode, limits};

/// The latest statement of a collection, checked all the way from its first.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    statement: Statement,
    hash: Digest,
}

/// Why a statement does not follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    #[error("statement: {0}")]
    Malformed(String),
    #[error("statement: number {got} instead of {expected}")]
    Number { expected: u64, got: u64 },
    #[error("statement: it does not follow the statement before it")]
    Fork,
    #[error("statement: {0} may not change")]
    Fixed(&'static str),
    #[error("statement: its author is not an owner of the statement before, and takes away more than itself")]
    NotOwner,
    #[error("statement: the signature does not fit")]
    Signature,
    #[error("statement: no owner would be left")]
    NoOwner,
}

impl Members {
    /// The first statement: by its one owner, whoever that is.
    pub(crate) fn first(signed: &SignedStatement, trio: &Digest) -> Result<Self, Rejected> {
        let statement = read(signed)?;
        if statement.number != 0 {
            return Err(Rejected::Number { expected: 0, got: statement.number });
        }
        if statement.previous != Digest([0; 32]) {
            return Err(Rejected::Fork);
        }
        if statement.trio != *trio {
            return Err(Rejected::Fixed("the three servers"));
        }
        if !(1..=limits::SPLIT_DIM).contains(&(statement.dim as usize)) {
            return Err(Rejected::Malformed(format!(
                "dim is {}, outside 1 to {}",
                statement.dim,
                limits::SPLIT_DIM
            )));
        }
        if statement.model.is_some() && statement.dim as usize != limits::SPLIT_MODEL_ROW {
            return Err(Rejected::Malformed(format!(
                "dim is {} instead of {}, as of a model's rows",
                statement.dim,
                limits::SPLIT_MODEL_ROW
            )));
        }
        let author = member(&statement, &statement.author).filter(|member| member.role == Role::Owner);
        let author = author.ok_or(Rejected::NotOwner)?;
        if statement.members.len() != 1 {
            return Err(Rejected::Malformed("the first one names its author alone".to_owned()));
        }
        check_signature(author, signed)?;
        Ok(Self { hash: hash(signed), statement })
    }

    /// What the members are after a statement.
    pub(crate) fn next(&self, signed: &SignedStatement) -> Result<Self, Rejected> {
        let next = read(signed)?;
        let before = &self.statement;
        let fixed = [
            ("the collection", next.collection == before.collection),
            ("the three servers", next.trio == before.trio),
            ("the dimension", next.dim == before.dim),
            ("the model", next.model == before.model),
        ];
        if let Some((what, _)) = fixed.iter().find(|(_, same)| !same) {
            return Err(Rejected::Fixed(what));
        }
        if Some(next.number) != before.number.checked_add(1) {
            return Err(Rejected::Number { expected: before.number.saturating_add(1), got: next.number });
        }
        if next.previous != self.hash {
            return Err(Rejected::Fork);
        }
        let author = member(before, &next.author).ok_or(Rejected::NotOwner)?;
        if author.role != Role::Owner && !leaves(before, &next) {
            return Err(Rejected::NotOwner);
        }
        check_signature(author, signed)?;
        if !next.members.iter().any(|member| member.role == Role::Owner) {
            return Err(Rejected::NoOwner);
        }
        Ok(Self { hash: hash(signed), statement: next })
    }

    pub(crate) fn collection(&self) -> CollectionId {
        self.statement.collection
    }

    pub(crate) fn number(&self) -> u64 {
        self.statement.number
    }

    pub(crate) fn hash(&self) -> Digest {
        self.hash
    }

    pub(crate) fn dim(&self) -> u32 {
        self.statement.dim
    }

    /// The manifest of the model whose weights the rows are, where they are.
    pub(crate) fn model(&self) -> Option<Digest> {
        self.statement.model
    }

    /// Who may change the members.
    pub(crate) fn owners(&self) -> Vec<AccountId> {
        let owners = self.statement.members.iter().filter(|member| member.role == Role::Owner);
        owners.map(|member| member.account).collect()
    }

    pub(crate) fn member(&self, account: &AccountId) -> Option<&Member> {
        member(&self.statement, account)
    }
}

/// Whether a statement takes somebody away who was there before it.
pub(crate) fn takes_away(before: &Members, after: &Members) -> bool {
    before.statement.members.iter().any(|gone| member(&after.statement, &gone.account).is_none())
}

/// Reads a statement and checks what can be seen from itself.
pub(crate) fn read(signed: &SignedStatement) -> Result<Statement, Rejected> {
    let statement: Statement =
        decode(&signed.statement.0).map_err(|error| Rejected::Malformed(error.to_string()))?;
    if !statement.members.is_sorted_by(|one, other| one.account < other.account) {
        return Err(Rejected::Malformed("members are not in ascending order, each once".to_owned()));
    }
    if statement.members.len() > limits::MEMBERS {
        return Err(Rejected::Malformed(format!("more than {} members", limits::MEMBERS)));
    }
    for member in &statement.members {
        let fits = PublicIdentity::from_bytes(&member.identity.0)
            .is_ok_and(|identity| identity.fingerprint() == member.account.0);
        if !fits {
            return Err(Rejected::Malformed(format!(
                "member {}: another identity than its account",
                member.account
            )));
        }
    }
    Ok(statement)
}

/// SHA-256 of the encoded statement with its signature.
pub(crate) fn hash(signed: &SignedStatement) -> Digest {
    // What was decoded from a message within its limit encodes within it.
    Digest(sha256(&encode(signed).unwrap_or_default()))
}

fn member<'a>(statement: &'a Statement, account: &AccountId) -> Option<&'a Member> {
    let place = statement.members.binary_search_by(|member| member.account.cmp(account)).ok()?;
    statement.members.get(place)
}

/// Whether a statement takes away its author, and changes nothing else.
fn leaves(before: &Statement, next: &Statement) -> bool {
    before.members.iter().filter(|member| member.account != next.author).eq(&next.members)
}

fn check_signature(author: &Member, signed: &SignedStatement) -> Result<(), Rejected> {
    let identity = PublicIdentity::from_bytes(&author.identity.0).map_err(|_| Rejected::Signature)?;
    let signature = <[u8; 64]>::try_from(signed.signature.0.as_slice()).map_err(|_| Rejected::Signature)?;
    identity
        .verify(Context::Membership, &signed.statement.0, &Signature(signature))
        .map_err(|_| Rejected::Signature)
}
