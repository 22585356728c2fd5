//! What holds for every answer: tags and 304, the type that was asked for, compression, reading from other sites.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::cors::{Any, CorsLayer};

use super::problem::Problem;
use super::waiting::{self, Waiting};
use crate::limits::{HTTP_COMPRESS_BYTES_MIN, HTTP_TARGET_BYTES_MAX};
use crate::sign::hex;

/// Puts the layers around all routes.
pub(super) fn around(router: Router, waiting: Waiting) -> Router {
    // Tiles are hashes, and what others verify byte by byte goes out as it is.
    let worth = SizeAbove::new(HTTP_COMPRESS_BYTES_MIN)
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE);
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth);
    // Anyone's page may read; nothing is sent with the reader's own rights, for there are none.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::OPTIONS])
        .allow_headers(Any)
        .expose_headers([header::ETAG, header::LINK, header::RETRY_AFTER]);
    // Within compression: what waits are the bytes that it is fed.
    let bounded = middleware::from_fn_with_state(waiting, waiting::bounded);
    router.layer(middleware::from_fn(attend)).layer(bounded).layer(compression).layer(cors)
}

/// A body with its tag: the same bytes have the same tag, whoever makes them. Weak, for compression changes bytes.
pub(super) fn tagged(body: Vec<u8>) -> impl IntoResponse {
    let digest = hex::encode(&hex::sha256(&body));
    let tag = format!("W/\"{}\"", &digest[..32]);
    let mut headers = HeaderMap::new();
    // Figures change with every report: caches must ask again.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    (headers, Body::from(Bytes::from(body)))
}

async fn attend(request: Request, next: Next) -> Response {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > HTTP_TARGET_BYTES_MAX {
        return Problem::target().into_response();
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let accept = all_of(request.headers(), &header::ACCEPT);
    let known = all_of(request.headers(), &header::IF_NONE_MATCH);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(HeaderName::from_static("x-content-type-options")).or_insert(HeaderValue::from_static("nosniff"));
    if !reads || response.status() != StatusCode::OK {
        return response;
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if accept.is_some_and(|accept| !accepts(&accept, kind)) {
        return Problem::not_acceptable(kind.split(';').next().unwrap_or_default()).into_response();
    }
    let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    if tag.zip(known).is_some_and(|(tag, known)| matches(&known, tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::empty();
    }
    response
}

/// The values of a header, joined; what is no text is as if it were not there.
fn all_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Whether a type fits what was asked for; RFC 9110, 12.5.1. No range at all takes anything.
fn accepts(accept: &str, kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let group = kind.split('/').next().unwrap_or_default();
    let mut any = false;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        if name.is_empty() {
            continue;
        }
        any = true;
        let refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.bytes().all(|byte| matches!(byte, b'0' | b'.')))
        });
        let fits = name == "*/*" || name == "*" || name == kind || name.strip_suffix("/*") == Some(group);
        if fits && !refused {
            return true;
        }
    }
    !any
}

/// Whether a tag is among those known: compared weakly, RFC 9110, 13.1.2.
fn matches(known: &str, tag: &str) -> bool {
    fn plain(tag: &str) -> &str {
        tag.trim().trim_start_matches("W/")
    }
    known.trim() == "*" || known.split(',').any(|known| plain(known) == plain(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_as_browsers_write_it() {
        for (accept, kind, expected) in [
            ("*/*", "application/json", true),
            ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json", true),
            ("application/*", "application/json", true),
            ("Application/JSON; charset=utf-8", "application/json", true),
            ("text/csv", "text/csv; charset=utf-8", true),
            ("text/html", "application/json", false),
            ("application/json;q=0", "application/json", false),
            ("application/json;q=0.5", "application/json", true),
            ("", "application/json", true),
        ] {
            assert_eq!(accepts(accept, kind), expected, "{accept} for {kind}");
        }
    }

    #[test]
    fn tags_compare_weakly() {
        for (known, expected) in
            [("W/\"a\"", true), ("\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("\"b\"", false), ("a", false)]
        {
            assert_eq!(matches(known, "W/\"a\""), expected, "{known}");
        }
    }
}
