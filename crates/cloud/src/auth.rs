//! Who asks, and what they may do.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use pmirs_crypto::{PublicIdentity, Token};
use pmirs_wire::collection::Role;
use pmirs_wire::{AccountId, CollectionId};

use crate::app::App;
use crate::check;
use crate::clock;
use crate::refusal::Refusal;
use crate::storage::{Membership, SecretHash};

/// The hash of the token in a request's `Authorization: Bearer` header, if there is a well-formed one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bearer(Option<SecretHash>);

impl<S: Send + Sync> FromRequestParts<S> for Bearer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .and_then(|text| Token::from_text(text.trim()).ok());
        Ok(Self(token.map(|token| token.hash())))
    }
}

impl App {
    /// The account whose live session this is, within its rate.
    pub(crate) fn authenticate(&self, bearer: Bearer) -> Result<AccountId, Refusal> {
        let refused = || Refusal::unauthenticated("this needs a session: log in");
        let token = bearer.0.ok_or_else(refused)?;
        let session = self.store.session(&token)?.ok_or_else(refused)?;
        if session.expires_ms <= clock::now_ms() {
            return Err(Refusal::unauthenticated("the session has ended: log in again"));
        }
        self.throttle.account(session.account)?;
        Ok(session.account)
    }

    /// The caller's membership in a collection, with at least this role.
    pub(crate) fn member(
        &self,
        bearer: Bearer,
        collection: &CollectionId,
        least: Role,
    ) -> Result<Membership, Refusal> {
        let (_, membership) = self.invited(bearer, collection)?;
        check::role(membership.role, membership.accepted, least)?;
        Ok(membership)
    }

    /// The caller, and the caller's part in a collection, accepted or not.
    pub(crate) fn invited(
        &self,
        bearer: Bearer,
        collection: &CollectionId,
    ) -> Result<(AccountId, Membership), Refusal> {
        let account = self.authenticate(bearer)?;
        let membership =
            self.store.membership(&account, collection)?.ok_or_else(|| Refusal::not_found("collection"))?;
        Ok((account, membership))
    }

    /// An account's public identity, and the same encoded.
    pub(crate) fn identity(&self, account: &AccountId) -> Result<(PublicIdentity, Vec<u8>), Refusal> {
        let encoded = self.store.identity(account)?.ok_or_else(|| Refusal::not_found("account"))?;
        let identity = PublicIdentity::from_bytes(&encoded).map_err(|error| Refusal::internal(&error))?;
        Ok((identity, encoded))
    }
}
