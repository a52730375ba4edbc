//! For whoever operates the server.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use crate::app::App;
use crate::openapi;
use crate::refusal::Refusal;

/// The process runs.
pub(super) async fn healthy() -> &'static str {
    "ok\n"
}

/// The store answers.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Refusal> {
    let store = app.run(|app| Ok(app.store.ready()?)).await;
    store.map(|()| "ready\n").map_err(|_| Refusal::unavailable("the store does not answer"))
}

/// What can be asked, for programs.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], openapi::document())
}

/// Counters in the OpenMetrics text format.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], app.metrics.text())
}
