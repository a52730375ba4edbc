//! Who else is here.

use std::sync::Arc;

use axum::extract::State;
use pmirs_wire::Bytes;
use pmirs_wire::account::Invite;
use pmirs_wire::people::{Person, is_name};

use super::NamePath;
use crate::app::App;
use crate::auth::Bearer;
use crate::folder;
use crate::refusal::Refusal;
use crate::speech::Answer;

/// Any account may find another by its name.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    bearer: Bearer,
    NamePath(name): NamePath,
) -> Result<Answer<Person>, Refusal> {
    let person = app.run(move |app| {
        app.authenticate(bearer)?;
        let absent = || Refusal::not_found("person");
        let found = if is_name(&name) { app.store.person(&name)? } else { None };
        let (account, identity) = found.ok_or_else(absent)?;
        Ok(Person { name, account, identity: Bytes(identity) })
    });
    person.await.map(Answer::ok)
}

pub(super) async fn invite(State(app): State<Arc<App>>, bearer: Bearer) -> Result<Answer<Invite>, Refusal> {
    let invite = app.run(move |app| {
        let account = app.authenticate(bearer)?;
        if !app.store.is_admin(&account)? {
            return Err(Refusal::forbidden("only an administrator of the server may invite"));
        }
        folder::new_invite(&*app.store, app.fingerprint).map_err(|error| Refusal::internal(&error))
    });
    invite.await.map(Answer::created)
}
