//! A server between the honest one and a client, and what clients say of it.

use std::sync::{Arc, Mutex};

use pmirs_vault::remote::{Exchange, Transport, TransportError};
use pmirs_vault::{Vault, VaultError};
use pmirs_wire::envelope::{InnerRequest, InnerResponse, Method};
use pmirs_wire::{Message, decode, encode};

/// Alters an answer, given the request's path.
type Lie = Box<dyn FnMut(&InnerRequest, &mut InnerResponse) + Send>;

/// A server between the honest one and a client, which tells whatever lie it is given.
#[derive(Clone, Default)]
pub struct Liar {
    lie: Arc<Mutex<Option<Lie>>>,
    /// Entries of logs that it takes before it is gone.
    entries: Arc<Mutex<Option<usize>>>,
}

impl Liar {
    pub fn stands_before(vault: &Vault) -> Self {
        let liar = Self::default();
        let between = liar.clone();
        vault.dangerous_wrap_transport(|honest| Box::new(Between { honest, liar: between })).unwrap();
        liar
    }

    pub fn tells(&self, lie: impl FnMut(&InnerRequest, &mut InnerResponse) + Send + 'static) {
        *self.lie.lock().unwrap() = Some(Box::new(lie));
    }

    /// Is gone once it has taken so many entries of logs: what comes then is neither done nor answered.
    pub fn dies_after(&self, entries: usize) {
        *self.entries.lock().unwrap() = Some(entries);
    }

    pub fn is_honest(&self) {
        *self.lie.lock().unwrap() = None;
        *self.entries.lock().unwrap() = None;
    }

    fn takes(&self, request: &InnerRequest) -> bool {
        let mut entries = self.entries.lock().unwrap();
        let Some(left) = entries.as_mut() else { return true };
        let is_there = *left > 0;
        if request.method == Method::Post && request.path.ends_with("/log") {
            *left = left.saturating_sub(1);
        }
        is_there
    }
}

struct Between {
    honest: Box<dyn Transport>,
    liar: Liar,
}

impl Transport for Between {
    fn exchange(&self, request: &InnerRequest) -> Result<Exchange, TransportError> {
        if !self.liar.takes(request) {
            return Err(TransportError::Unreachable("it is gone".into()));
        }
        let mut exchange = self.honest.exchange(request)?;
        if let Some(lie) = self.liar.lie.lock().unwrap().as_mut() {
            lie(request, &mut exchange.response);
        }
        Ok(exchange)
    }

    fn name(&self) -> &'static str {
        "a cheating server"
    }
}

/// Alters answers of one kind, those that a path's end and an honest encoding tell.
pub fn on<M: Message>(
    end: &'static str,
    mut change: impl FnMut(&mut M) + Send,
) -> impl FnMut(&InnerRequest, &mut InnerResponse) + Send {
    move |request, response| {
        let path = request.path.split('?').next().unwrap_or_default();
        if path.ends_with(end)
            && let Ok(mut message) = decode::<M>(&response.body.0)
        {
            change(&mut message);
            response.body.0 = encode(&message).unwrap();
        }
    }
}

#[track_caller]
pub fn named<T: std::fmt::Debug>(outcome: Result<T, VaultError>, field: &str) {
    match outcome {
        Err(VaultError::Altered { field: found, .. }) => assert_eq!(found, field),
        other => panic!("expected a fault of {field}: {other:?}"),
    }
}

#[track_caller]
pub fn forked<T: std::fmt::Debug>(outcome: &Result<T, VaultError>) {
    assert!(matches!(outcome, Err(VaultError::Forked { .. })), "{outcome:?}");
}
