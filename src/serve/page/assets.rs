//! Stylesheet, script and icon, embedded in the binary. Their addresses carry a digest, so browsers keep them for good.

use std::sync::OnceLock;

use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::sign::hex;

/// One file.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    address: OnceLock<String>,
}

/// Everything about how it looks.
pub static STYLE: Asset = Asset::new("page.css", "text/css; charset=utf-8", include_str!("page.css"));
/// What makes the page follow the ledger; nothing else needs it.
pub static SCRIPT: Asset = Asset::new("page.js", "text/javascript; charset=utf-8", include_str!("page.js"));
/// The icon.
pub static ICON: Asset = Asset::new("icon.svg", "image/svg+xml", include_str!("icon.svg"));

impl Asset {
    const fn new(name: &'static str, kind: &'static str, text: &'static str) -> Self {
        Asset { name, kind, text, address: OnceLock::new() }
    }

    /// `/assets/<digest>/<name>`.
    pub fn address(&self) -> &str {
        self.address.get_or_init(|| format!("/assets/{}/{}", digest(self.text), self.name))
    }
}

fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..6])
}

/// An asset under its digest; an older page's digest gets what there is now, to be asked for again.
pub async fn answer(Path((asked, name)): Path<(String, String)>) -> Response {
    let Some(asset) = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let cache = if asked == digest(asset.text) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    ];
    (headers, asset.text).into_response()
}
