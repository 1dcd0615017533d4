//! Conversations: what models accept, and pi-ai's dialect.

mod memory;
mod messages;
mod pi_ai;
mod repairs;
mod requests;
