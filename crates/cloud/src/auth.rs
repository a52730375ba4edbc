//! Who asks, and what they may do.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use pmirs_crypto::Token;
use pmirs_wire::collection::Role;
use pmirs_wire::{AccountId, CollectionId};

use crate::app::App;
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
        let account = self.authenticate(bearer)?;
        let membership =
            self.store.membership(&account, collection)?.ok_or_else(|| Refusal::not_found("collection"))?;
        if membership.role < least {
            return Err(Refusal::forbidden(match least {
                Role::Owner => "only an owner of the collection may do this",
                _ => "a reader of the collection may not change it",
            }));
        }
        Ok(membership)
    }
}
