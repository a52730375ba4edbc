//! Registration, login, and what the server says of itself.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use pmirs_crypto::{Context, PublicIdentity, Signature, Token};
use pmirs_wire::account::{Challenge, ChallengeRequest, Login, Register, ServerInfo, Session};
use pmirs_wire::people::is_name;
use pmirs_wire::{AccountId, Bytes, DeviceId};

use crate::app::App;
use crate::auth::Bearer;
use crate::check;
use crate::clock::{now_ms, system_rng};
use crate::gate::Peer;
use crate::refusal::Refusal;
use crate::speech::{Answer, Incoming};
use crate::storage::{Farewell, NewAccount, Registration, SessionRecord};

pub(super) async fn server(State(app): State<Arc<App>>) -> Answer<ServerInfo> {
    Answer::ok(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        public_key: Bytes(app.key.public().to_bytes()),
        now_ms: now_ms(),
    })
}

pub(super) async fn register(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    body: Incoming<Register>,
) -> Result<StatusCode, Refusal> {
    app.throttle.login(peer)?;
    app.run(move |app| app.register(&body.read()?)).await?;
    Ok(StatusCode::CREATED)
}

/// The answer is the same whether there is such an account or not.
pub(super) async fn challenge(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    body: Incoming<ChallengeRequest>,
) -> Result<Answer<Challenge>, Refusal> {
    app.throttle.login(peer)?;
    let request = body.read()?;
    let nonce = *Token::generate(&mut system_rng()).expose_secret();
    if !app.challenges.open(nonce, request.account, now_ms()) {
        return Err(Refusal::too_many("too many logins are open: wait a minute"));
    }
    Ok(Answer::ok(Challenge { nonce: Bytes(nonce.to_vec()) }))
}

pub(super) async fn login(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    body: Incoming<Login>,
) -> Result<Answer<Session>, Refusal> {
    app.throttle.login(peer)?;
    app.run(move |app| app.log_in(&body.read()?)).await.map(Answer::ok)
}

/// Goes with everything that is the account's alone.
pub(super) async fn delete(State(app): State<Arc<App>>, bearer: Bearer) -> Result<StatusCode, Refusal> {
    app.run(move |app| {
        let account = app.authenticate(bearer)?;
        app.delete_account(&account)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

impl App {
    fn delete_account(&self, account: &AccountId) -> Result<(), Refusal> {
        match self.store.delete_account(account)? {
            Farewell::Gone { places, blobs } => {
                self.federations.forget_owner(account);
                for place in places {
                    self.rankings.forget(place);
                    self.commitments.forget(place);
                }
                self.drop_blobs(&blobs);
                Ok(())
            }
            Farewell::Member(collection) => {
                Err(Refusal::conflict(format!("leave collection {collection} first: others own it too")))
            }
        }
    }

    /// No session comes with it: a registration can be repeated, so whoever recorded one could log in.
    fn register(&self, register: &Register) -> Result<(), Refusal> {
        let code = check::exactly::<32>("code", &register.code.0)?;
        let signature = Signature(check::exactly("signature", &register.signature.0)?);
        let identity = PublicIdentity::from_bytes(&register.identity.0)
            .map_err(|error| Refusal::bad(format!("identity: {error}")))?;
        let name = register.name.as_deref();
        if name.is_some_and(|name| !is_name(name)) {
            return Err(Refusal::bad("name: 1 to 64 of a to z, 0 to 9, '.', '_' and '-'"));
        }
        let signed = match name {
            Some(name) => Register::signed_bytes_named(&self.fingerprint, &code, name),
            None => Register::signed_bytes(&self.fingerprint, &code),
        };
        identity
            .verify(Context::Login, &signed, &signature)
            .map_err(|_| Refusal::bad("signature does not fit the identity, this server and the code"))?;

        let id = AccountId(identity.fingerprint());
        let account = NewAccount { id, identity: &register.identity.0, name, created_ms: now_ms() };
        match self.store.register(&Token::from_secret(&code).hash(), &account)? {
            Registration::Registered => {}
            Registration::NoInvite => {
                return Err(Refusal::forbidden("code: this invite does not exist or was used"));
            }
            Registration::AlreadyRegistered => {
                return Err(Refusal::conflict("identity: it has an account here already"));
            }
            Registration::NameTaken => {
                return Err(Refusal::conflict("name: somebody here has it; the invite is not spent"));
            }
        }
        if let Err(error) = self.first_invite.spent() {
            tracing::warn!(%error, "the file of the first invite, now spent, could not be removed");
        }
        Ok(())
    }

    /// Every way to fail looks alike and takes as long.
    fn log_in(&self, login: &Login) -> Result<Session, Refusal> {
        let refused = || Refusal::unauthenticated("this login is not valid");
        let challenged = self.challenges.spend(&login.nonce.0, &login.account, now_ms());
        let known = match self.store.identity(&login.account)? {
            Some(bytes) => Some(PublicIdentity::from_bytes(&bytes).map_err(|e| Refusal::internal(&e))?),
            None => None,
        };
        let signature = Signature(check::exactly("signature", &login.signature.0)?);
        let message = Login::signed_bytes(&self.fingerprint, &login.nonce.0);
        let identity = known.as_ref().unwrap_or(&self.nobody);
        let signed = identity.verify(Context::Login, &message, &signature).is_ok();
        if !(challenged && signed && known.is_some()) {
            return Err(refused());
        }
        self.new_session(login.account, None)
    }

    pub(super) fn new_session(
        &self,
        account: AccountId,
        device: Option<DeviceId>,
    ) -> Result<Session, Refusal> {
        let token = Token::generate(&mut system_rng());
        let now_ms = now_ms();
        let expires_ms = now_ms + self.limits.session_time.as_millis() as u64;
        let record = SessionRecord { account, device, expires_ms };
        if !self.store.add_session(&token.hash(), &record, now_ms)? {
            return Err(Refusal::unauthenticated("this login is not valid"));
        }
        Ok(Session { token: Bytes(token.expose_secret().to_vec()), expires_ms })
    }
}
