//! The style sheet and the pictures.

use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::goods;

const KEPT: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=3600");

pub(crate) async fn stylesheet() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), KEPT],
        include_str!("shop.css"),
    )
}

pub(crate) async fn picture(Path(file): Path<String>) -> Response {
    match file.strip_suffix(".svg").and_then(goods::article) {
        Some(article) => ([(header::CONTENT_TYPE, "image/svg+xml"), KEPT], article.drawing()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
