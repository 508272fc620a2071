//! One macro for notices, so that call sites look the same with and without the `tracing` feature.

/// Emits a notice under the target `kessai`. Fields only: references, words of ours, error types. Never a body, a header,
/// an address or a text of the shopper's.
#[cfg(feature = "tracing")]
macro_rules! notice {
    ($($what:tt)*) => { tracing::debug!(target: "kessai", $($what)*) };
}

/// Nothing, without the `tracing` feature. The arguments are still compiled.
#[cfg(not(feature = "tracing"))]
macro_rules! notice {
    ($($field:ident = %$value:expr,)* $text:literal) => {{
        $(let _ = &$value;)*
        let _ = $text;
    }};
}

pub(crate) use notice;
