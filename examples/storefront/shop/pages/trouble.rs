//! Pages for what went wrong. They say what the shopper can do, and nothing of the reason.

use std::time::Duration;

use super::super::lang::Lang;
use super::Frame;

pub(crate) fn not_found(lang: Lang) -> String {
    page(
        lang,
        lang.pick("ページが見つかりません", "Nothing here"),
        lang.pick(
            "お探しのページはありません。ご注文は、注文に使われたブラウザでのみご覧いただけます。",
            "There is no such page. Orders are shown only in the browser that placed them.",
        ),
    )
}

pub(crate) fn foreign_form(lang: Lang) -> String {
    page(
        lang,
        lang.pick("もう一度お願いします", "Please try that again"),
        lang.pick(
            "この店のページから送信されたことを確認できませんでした。クッキーを許可して、もう一度お試しください。",
            "We could not tell that this came from a page of ours. Please allow cookies, go back and try again.",
        ),
    )
}

pub(crate) fn bad_form(lang: Lang) -> String {
    page(
        lang,
        lang.pick("送信内容をご確認ください", "Something is not right with this form"),
        lang.pick(
            "前のページに戻って、もう一度お試しください。",
            "Please go back and try again.",
        ),
    )
}

/// Honest people get here as well, so it says what to do.
pub(crate) fn too_many(lang: Lang, wait: Duration) -> String {
    let minutes = wait.as_secs().div_ceil(60);
    let ja = format!(
        "お支払い画面が続けて何度も開かれました。ご注文はそのままです。{minutes}分後にもう一度お試しください。"
    );
    let en = format!(
        "The payment page was opened many times in a row. Your order is kept. Please try again in {minutes} min."
    );
    let title = lang.pick("少し時間をおいてお試しください", "Too many tries for now");
    page(lang, title, lang.pick(&ja, &en))
}

/// Nothing is known of the visitor here, so both languages.
pub(crate) fn later() -> String {
    Frame::bare(Lang::Ja, "お待ちください").page(
        "<section class=\"notice wait\"><h1>少し時間をおいてお試しください</h1><p>ただいま処理できません。</p>\
         <h1 lang=\"en\">Please try again in a moment</h1><p lang=\"en\">We cannot do this right now.</p></section>",
    )
}

fn page(lang: Lang, title: &str, text: &str) -> String {
    Frame::bare(lang, title).page(&format!(
        r#"<section class="notice"><h1>{title}</h1><p>{text}</p><p><a class="button" href="/">{}</a></p></section>"#,
        lang.pick("お店に戻る", "Back to the shop"),
    ))
}
