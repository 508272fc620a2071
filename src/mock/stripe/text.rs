//! The words of the hosted page, in English and Japanese.

use crate::mock::card::Flaw;
use crate::mock::language;

/// What the page tells the shopper about the last try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Notice {
    Declined,
    NotAuthenticated,
    Flaw(Flaw),
}

/// One language.
pub(super) struct Words {
    pub(super) lang: &'static str,
    pub(super) banner: &'static str,
    pub(super) pay_title: &'static str,
    pub(super) your_order: &'static str,
    pub(super) quantity: &'static str,
    pub(super) total: &'static str,
    pub(super) back: &'static str,
    pub(super) by_card: &'static str,
    pub(super) number: &'static str,
    pub(super) expiry: &'static str,
    pub(super) expiry_shape: &'static str,
    pub(super) code: &'static str,
    pub(super) holder: &'static str,
    pub(super) pay: &'static str,
    pub(super) authorize: &'static str,
    pub(super) manual: &'static str,
    pub(super) test_cards: &'static str,
    pub(super) succeeds: &'static str,
    pub(super) declines: &'static str,
    pub(super) asks: &'static str,
    pub(super) any_rest: &'static str,
    pub(super) konbini: &'static str,
    pub(super) transfer: &'static str,
    pub(super) later: &'static str,
    pub(super) arrives: &'static str,
    pub(super) never_arrives: &'static str,
    pub(super) free: &'static str,
    pub(super) confirm: &'static str,
    pub(super) secure_title: &'static str,
    pub(super) secure_text: &'static str,
    pub(super) pass: &'static str,
    pub(super) fail: &'static str,
    pub(super) complete_title: &'static str,
    pub(super) complete_text: &'static str,
    pub(super) to_store: &'static str,
    pub(super) expired_title: &'static str,
    pub(super) expired_text: &'static str,
    pub(super) unknown_title: &'static str,
    pub(super) unknown_text: &'static str,
    pub(super) bad_form: &'static str,
}

const ENGLISH: Words = Words {
    lang: "en",
    banner: "Test gateway: no real card, no real money.",
    pay_title: "Payment",
    your_order: "Your order",
    quantity: "Quantity",
    total: "Total",
    back: "Back to the store",
    by_card: "Pay by card",
    number: "Card number",
    expiry: "Expiry",
    expiry_shape: "MM / YY",
    code: "Security code",
    holder: "Name on card",
    pay: "Pay",
    authorize: "Authorize",
    manual: "The amount is reserved on the card now and taken later.",
    test_cards: "Test cards",
    succeeds: "is paid",
    declines: "is declined",
    asks: "asks for 3-D Secure",
    any_rest: "Any expiry in the future, any code of three digits, any name. Every other number is refused.",
    konbini: "Pay at a convenience store",
    transfer: "Pay by bank transfer",
    later: "The order is confirmed at once; the money comes days later, or never.",
    arrives: "Pay later, and the money arrives",
    never_arrives: "Pay later, and it never arrives",
    free: "There is nothing to pay.",
    confirm: "Confirm the order",
    secure_title: "3-D Secure",
    secure_text: "Your bank wants to know that it is you who pays.",
    pass: "It is me",
    fail: "Fail the check",
    complete_title: "This order is confirmed",
    complete_text: "The payment page was used already. Nothing more will be charged here.",
    to_store: "Go to the store",
    expired_title: "This payment page has expired",
    expired_text: "Nothing was charged. Go back to the store to start again.",
    unknown_title: "There is no such page",
    unknown_text: "The address may be incomplete.",
    bad_form: "The form could not be read.",
};

const JAPANESE: Words = Words {
    lang: "ja",
    banner: "テスト用ゲートウェイです。実在のカードは使えず、お金は動きません。",
    pay_title: "お支払い",
    your_order: "ご注文内容",
    quantity: "数量",
    total: "合計",
    back: "ストアに戻る",
    by_card: "クレジットカードで支払う",
    number: "カード番号",
    expiry: "有効期限",
    expiry_shape: "月 / 年",
    code: "セキュリティコード",
    holder: "カード名義人",
    pay: "支払う",
    authorize: "承認する",
    manual: "金額はいまカードで確保され、後日請求されます。",
    test_cards: "テスト用カード",
    succeeds: "支払いが成立します",
    declines: "拒否されます",
    asks: "3Dセキュアの認証があります",
    any_rest: "有効期限は未来の年月、セキュリティコードは任意の3桁、名義人は任意です。これ以外の番号は使えません。",
    konbini: "コンビニで支払う",
    transfer: "銀行振込で支払う",
    later: "注文はすぐに確定します。入金は数日後か、されないこともあります。",
    arrives: "後で支払う(入金される)",
    never_arrives: "後で支払う(入金されない)",
    free: "お支払いいただく金額はありません。",
    confirm: "注文を確定する",
    secure_title: "3Dセキュア認証",
    secure_text: "カード会社がご本人によるお支払いであることを確認します。",
    pass: "本人として認証する",
    fail: "認証に失敗する",
    complete_title: "ご注文は確定しています",
    complete_text: "このお支払いページは使用済みです。これ以上請求されることはありません。",
    to_store: "ストアへ",
    expired_title: "お支払いページの有効期限が切れました",
    expired_text: "請求はされていません。ストアに戻ってやり直してください。",
    unknown_title: "ページが見つかりません",
    unknown_text: "アドレスが途中で切れているかもしれません。",
    bad_form: "送信された内容を読み取れませんでした。",
};

/// The words of one of the two languages.
pub(super) fn words(japanese: bool) -> &'static Words {
    if japanese { &JAPANESE } else { &ENGLISH }
}

/// How long the page is still open.
pub(super) fn closes_in(seconds: i64, japanese: bool) -> String {
    let minutes = seconds.max(0) / 60;
    let (hours, minutes) = (minutes / 60, minutes % 60);
    if japanese {
        format!("このページはあと{hours}時間{minutes}分で閉じます。")
    } else {
        format!("This page closes in {hours} h {minutes} min.")
    }
}

/// What went wrong, for the shopper.
pub(super) fn notice(notice: Notice, japanese: bool) -> &'static str {
    let (english, in_japanese) = match notice {
        Notice::Declined => (
            "Your card was declined. Nothing was charged; try another card.",
            "カードが拒否されました。請求はされていません。別のカードをお試しください。",
        ),
        Notice::NotAuthenticated => (
            "Your bank could not confirm that it is you. Nothing was charged; try again.",
            "本人認証ができませんでした。請求はされていません。もう一度お試しください。",
        ),
        Notice::Flaw(flaw) => return language::flaw(flaw, japanese),
    };
    if japanese { in_japanese } else { english }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_missing_in_either_language() {
        let flaws = [Flaw::Number, Flaw::NotATestCard, Flaw::Expiry, Flaw::Code, Flaw::Holder];
        let all = flaws
            .map(Notice::Flaw)
            .into_iter()
            .chain([Notice::Declined, Notice::NotAuthenticated]);
        for each in all {
            assert!(!notice(each, true).is_ascii(), "{each:?}");
            assert!(
                notice(each, false).is_ascii() && !notice(each, false).is_empty(),
                "{each:?}"
            );
        }
    }
}
