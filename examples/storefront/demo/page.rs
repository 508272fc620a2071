//! A payment page in the shopper's browser, and the way back from it, whichever gateway it is of.

use kessai::mock::sbps::{Landed as Posted, Page as Form, Visit};
use kessai::mock::stripe::{Landed, Page as Link};
use kessai::mock::{MockError, TestCard};

use super::super::browser::Onward;
use super::super::wiring::Failure;

/// Where the shopper is.
#[derive(Clone)]
pub(super) enum Page {
    /// Reached by a link, and left by one.
    Link(Link),
    /// Left by a form. The form that led there, if one did, is kept: a forger may have seen it.
    Form(Form, Option<Onward>),
}

/// What leads back to the shop.
#[derive(Clone)]
pub(super) enum Back {
    Link(String),
    Form(Visit),
}

impl Page {
    /// Pays by card.
    pub(super) async fn pay(&self) -> Result<Back, Failure> {
        match self {
            Self::Link(page) => store(page.pay(TestCard::Succeeds).await?),
            Self::Form(page, _) => posted(page.pay(TestCard::Succeeds).await?),
        }
    }

    /// Takes a slip for the convenience store, and goes back to the shop with it.
    pub(super) async fn takes_a_slip(&self) -> Result<Back, Failure> {
        match self {
            Self::Link(page) => match page.pay_later(true).await? {
                Landed::Page(slip) => store(slip.to_store().await?),
                landed @ Landed::Store { .. } => store(landed),
            },
            Self::Form(page, _) => match page.pay_later(true).await? {
                Posted::Page(slip) => Ok(Back::Form(slip.back_to_store()?)),
                landed @ Posted::Store(_) => posted(landed),
            },
        }
    }

    /// Goes back to the shop without paying.
    pub(super) async fn cancel(&self) -> Result<Back, Failure> {
        match self {
            Self::Link(page) => store(page.cancel().await?),
            Self::Form(page, _) => posted(page.cancel().await?),
        }
    }

    /// Loads the page again: can it still be paid?
    pub(super) async fn is_open_still(&self) -> Result<bool, MockError> {
        Ok(match self {
            Self::Link(page) => page.reload().await?.is_open(),
            Self::Form(page, _) => page.reload().await?.page().is_some_and(Form::is_open),
        })
    }

    /// The page of a gateway that takes links.
    pub(super) fn link(self) -> Result<Link, Failure> {
        match self {
            Self::Link(page) => Ok(page),
            Self::Form(..) => Err("this gateway sends its shoppers back by a form".into()),
        }
    }
}

fn store(landed: Landed) -> Result<Back, Failure> {
    match landed {
        Landed::Store { url } => Ok(Back::Link(url)),
        Landed::Page(page) => Err(format!("the shopper is still on the payment page: {}", page.text()).into()),
    }
}

fn posted(landed: Posted) -> Result<Back, Failure> {
    match landed {
        Posted::Store(visit) => Ok(Back::Form(visit)),
        Posted::Page(page) => Err(format!("the shopper is still on the payment page: {}", page.text()).into()),
    }
}
