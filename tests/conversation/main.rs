//! Conversations: what models accept, and pi-ai's dialect.

mod assistant;
mod pi_ai;
