//! News of an attempt is not turned into its payment.
use kessai::Judgement;
use kessai::ledger::{Contradiction, News};

fn from_news(news: News) -> Judgement {
    Judgement::Accepted(news) //~ E0308
}

fn from_contradiction(contradiction: Contradiction) -> Judgement {
    Judgement::Accepted(contradiction) //~ E0308
}

fn main() {}
