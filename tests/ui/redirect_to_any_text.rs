//! A shopper is sent to checked addresses only.
use kessai::{PostForm, Redirect};

fn link(text: String) -> Redirect {
    Redirect::Get(text) //~ E0308
}

fn form(text: String) -> PostForm {
    PostForm::new(text) //~ E0308
}

fn main() {}
