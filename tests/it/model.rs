//! The model test: what a ledger has to do, written a second time in plain words, and every ledger held against it: on every
//! order of up to five messages, and on long random histories. `src/guide/proof.md` says how to run it for longer.

mod driver;
mod exhaustive;
mod histories;
mod homes;
mod linear;
mod races;
mod reference;
mod run;
mod steps;
mod wrong;
