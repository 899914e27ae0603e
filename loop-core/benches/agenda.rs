//! What a tasklet costs on an agenda, beside a thread and a channel, and the work pool.

fn main() {}
