//! Serves the page: one document, assembled from its parts.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;

const STYLE: &str = include_str!("page/page.css");

/// Holds the scripts, which share one scope; the last one starts the page.
const SCRIPT: &str = concat!(
    include_str!("page/memory.js"),
    include_str!("page/line.js"),
    include_str!("page/channel.js"),
    include_str!("page/gap.js"),
    include_str!("page/message.js"),
    include_str!("page/outbox.js"),
    include_str!("page/view.js"),
    include_str!("page/who.js"),
    include_str!("page/person.js"),
);

static PAGE: LazyLock<String> =
    LazyLock::new(|| include_str!("page/page.html").replace("{style}", STYLE).replace("{script}", SCRIPT));

/// Forbids scripts from elsewhere, and any that a user writes.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn page() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE.as_str())
}
