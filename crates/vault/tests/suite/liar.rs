//! A server between the honest one and a client, and what clients say of it.

use std::sync::{Arc, Mutex};

use pmirs_vault::remote::{Exchange, Transport, TransportError};
use pmirs_vault::{Vault, VaultError};
use pmirs_wire::envelope::{InnerRequest, InnerResponse};
use pmirs_wire::{Message, decode, encode};

/// Alters an answer, given the request's path.
type Lie = Box<dyn FnMut(&InnerRequest, &mut InnerResponse) + Send>;

/// A server between the honest one and a client, which tells whatever lie it is given.
#[derive(Clone, Default)]
pub struct Liar(Arc<Mutex<Option<Lie>>>);

impl Liar {
    pub fn stands_before(vault: &Vault) -> Self {
        let liar = Self::default();
        let between = liar.clone();
        vault.dangerous_wrap_transport(|honest| Box::new(Between { honest, liar: between })).unwrap();
        liar
    }

    pub fn tells(&self, lie: impl FnMut(&InnerRequest, &mut InnerResponse) + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(lie));
    }

    pub fn is_honest(&self) {
        *self.0.lock().unwrap() = None;
    }
}

struct Between {
    honest: Box<dyn Transport>,
    liar: Liar,
}

impl Transport for Between {
    fn exchange(&self, request: &InnerRequest) -> Result<Exchange, TransportError> {
        let mut exchange = self.honest.exchange(request)?;
        if let Some(lie) = self.liar.0.lock().unwrap().as_mut() {
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
