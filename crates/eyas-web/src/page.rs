//! The page, as Vite has bundled it from `ui/`.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// A file of the page.
pub(crate) struct Asset {
    pub(crate) path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

/// All files of the page.
pub(crate) const ASSETS: &[Asset] = &[
    Asset { path: "/", kind: "text/html; charset=utf-8", bytes: include_bytes!("../ui/dist/index.html") },
    Asset {
        path: "/index.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../ui/dist/index.js"),
    },
    Asset {
        path: "/index.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("../ui/dist/index.css"),
    },
];

/// The page loads nothing from elsewhere, runs no script but its own and stands in no frame.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    // Another version of the program may answer at the same address next time.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

impl Asset {
    pub(crate) fn response(&self) -> Response {
        ([(header::CONTENT_TYPE, self.kind)], HEADERS, self.bytes).into_response()
    }
}
