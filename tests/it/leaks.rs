//! Leak tests (PAY-09, PAY-16, PAY-38, PAY-40, PAY-51 to PAY-54, PAY-58, PAY-59): secrets and disguised card numbers go into every way in,
//! and every way out is searched for them in every form. The search is the incident drill's.
//!
//! `redaction` holds every type against markers one by one; here whole flows run, for every gateway.

mod answers;
mod disguises;
mod entries;
mod flows;
mod hostile;
mod outputs;
mod players;
mod setup;
