//! Who asks, and what they may do.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use pmirs_crypto::{Context, PublicIdentity, Signature, Token};
use pmirs_wire::access::{EMPTY_BODY, SENT_HEADER, SIGNATURE_HEADER, SignedRequest, content_path};
use pmirs_wire::collection::Role;
use pmirs_wire::envelope::Method;
use pmirs_wire::{AccountId, CollectionId, ItemId};

use crate::app::App;
use crate::check;
use crate::clock;
use crate::refusal::Refusal;
use crate::storage::{Membership, NewAccess, SecretHash};

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

/// The signature of a request with the time that it covers, if there is a well-formed one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed(Option<(u64, Signature)>);

impl<S: Send + Sync> FromRequestParts<S> for Signed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let sent_ms = header(SENT_HEADER).and_then(|text| text.parse().ok());
        let signature = header(SIGNATURE_HEADER).and_then(|text| Signature::from_text(text).ok());
        Ok(Self(sent_ms.zip(signature)))
    }
}

/// The headers of a request that came signed in an envelope.
pub(crate) fn set_signature(headers: &mut HeaderMap, sent_ms: u64, signature: &[u8]) -> Result<(), Refusal> {
    let signature: [u8; 64] = check::exactly("signature", signature)?;
    let value =
        HeaderValue::try_from(Signature(signature).to_text()).map_err(|error| Refusal::internal(&error))?;
    headers.insert(SENT_HEADER, HeaderValue::from(sent_ms));
    headers.insert(SIGNATURE_HEADER, value);
    Ok(())
}

impl App {
    /// That this account asks for an item's content, as its signature proves.
    pub(crate) fn access(
        &self,
        account: AccountId,
        collection: &CollectionId,
        item: ItemId,
        signed: &Signed,
    ) -> Result<NewAccess, Refusal> {
        let (sent_ms, signature) =
            signed.0.ok_or_else(|| Refusal::forbidden("opening content needs a request that you signed"))?;
        let now_ms = clock::now_ms();
        if u128::from(sent_ms.abs_diff(now_ms)) > self.limits.clock_skew.as_millis() {
            let most = self.limits.clock_skew.as_secs();
            return Err(Refusal::bad(format!("sent_ms is off the server's clock by more than {most} s")));
        }
        let (identity, _) = self.identity(&account)?;
        let (path, method, body) = (content_path(collection, &item), Method::Get, EMPTY_BODY);
        let request = SignedRequest { server: self.fingerprint, sent_ms, method, path: &path, body };
        identity.verify(Context::Request, &request.to_bytes(), &signature).map_err(|_| {
            Refusal::forbidden("the signature does not fit this request, this server and your identity")
        })?;
        Ok(NewAccess { at_ms: now_ms, account, item, sent_ms, signature: signature.0 })
    }

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
