//! A ledger's file in the hands of somebody who may write it and minds no rule of it: what he changes is named (PAY-60).

mod busy;
mod encoding;
mod records;
mod rewriting;
pub mod sample;
mod state;
mod windows;
